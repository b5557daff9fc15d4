import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { run } from "./command.ts";

const LIMIT_MS = 30_000;
let directory: string;

vi.setConfig({ testTimeout: LIMIT_MS });

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "command-"));
});

afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

it("keeps both outputs of a command that succeeds", async () => {
  const ending = await run(["sh", "-c", "echo out; echo err >&2"], { limitMs: LIMIT_MS });
  expect(ending).toMatchObject({ ok: true, output: "out\nerr\n" });
});

it("says how a command failed", async () => {
  const failed = await run(["sh", "-c", "echo why; exit 3"], { limitMs: LIMIT_MS });
  expect(failed).toMatchObject({ ok: false, output: "why\nsh ended with exit code 3\n" });
  const killed = await run(["sh", "-c", "kill -9 $$"], { limitMs: LIMIT_MS });
  expect(killed).toMatchObject({ ok: false, output: "sh ended with SIGKILL\n" });
  const absent = await run(["no-such-program"], { limitMs: LIMIT_MS });
  expect(absent).toMatchObject({ ok: false, output: expect.stringContaining("cannot be run") });
});

it("kills a command at its limit, with what it started", async () => {
  const file = join(directory, "pid");
  const script = `sleep 60 & echo $! > ${file}; wait`;
  const ending = await run(["sh", "-c", script], { limitMs: 300 });
  expect(ending).toMatchObject({
    ok: false,
    output: "sh was not through after 300 ms and was killed\n",
  });
  const pid = Number(readFileSync(file, "utf8"));
  await expect.poll(() => isRunning(pid)).toBe(false);
});

it("passes a signal on, waits for the command to clean up, and then obeys it", async () => {
  const script = `
    import { run } from "${join(import.meta.dirname, "command.ts")}";
    const clean = 'trap "echo cleaned; exit 0" TERM; echo ready; while :; do sleep 0.05; done';
    await run(["sh", "-c", clean], { limitMs: 30_000, passThrough: true });
    console.log("not obeyed");`;
  const child = spawn(process.execPath, ["--input-type=module-typescript", "-e", script]);
  const printed: string[] = [];
  child.stdout.on("data", (chunk: Buffer) => {
    printed.push(chunk.toString());
    if (printed.join("") === "ready\n") child.kill("SIGTERM");
  });
  const [code, signal] = await once(child, "close");
  expect({ code, signal, printed: printed.join("") }).toEqual({
    code: null,
    signal: "SIGTERM",
    printed: "ready\ncleaned\n",
  });
});

function isRunning(pid: number): boolean {
  try {
    // A zombie is dead too, but for the parent that has yet to read its end.
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    // Without an entry there is no process.
    return false;
  }
}
