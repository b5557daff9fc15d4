import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { isAlive } from "./process-group.ts";
import type { Command } from "./run-command.ts";
import { runCommand } from "./run-command.ts";

const never = new AbortController().signal;
const sh = async (script: string, more: Partial<Command> = {}, signal = never) =>
  await runCommand(
    {
      argv: ["sh", "-c", script],
      environment: { PATH: process.env["PATH"] ?? "/usr/bin:/bin" },
      limitMs: 10_000,
      outputLimitBytes: 1000,
      graceMs: 100,
      ...more,
    },
    signal,
  );

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "nix-ota-command-"));
});
afterEach(async () => {
  await rm(dir, { recursive: true });
});

async function ofPidFile(name: string) {
  const pid = Number(await readFile(join(dir, name), "utf8"));
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  return { pid, startTicks: stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "gone" };
}

describe("a command", () => {
  test("gives status, output and the end of its errors", async () => {
    expect(await sh("echo out; echo first >&2; echo last >&2; exit 3", { tailBytes: 5 })).toEqual({
      how: "exited",
      code: 3,
      stdout: "out\n",
      tail: "last\n",
    });
  });

  test("that cannot be started is told apart from one that failed", async () => {
    expect((await sh("", { argv: ["/nonexistent"] })).how).toBe("not started");
    expect((await sh("kill -9 $$")).how).toBe("killed");
  });

  test("ends at its limits of time and output", async () => {
    expect((await sh("sleep 100", { limitMs: 50 })).how).toBe("timed out");
    expect((await sh("yes")).how).toBe("too much output");
  });

  test("ends with the signal, and does not begin after it", async () => {
    const given = new AbortController();
    const ended = sh("sleep 100", {}, given.signal);
    given.abort();
    expect((await ended).how).toBe("aborted");
    expect((await sh(`echo > ${dir}/ran`, {}, given.signal)).how).toBe("aborted");
    await expect(readFile(join(dir, "ran"))).rejects.toThrow(/ENOENT/);
  });

  test("takes everything it started with it when it is ended, also what left its process group", async () => {
    await sh(
      `setsid -f true; sh -c 'set -m; trap "" TERM; sleep 100 & echo $! > ${dir}/pid; wait' & wait`,
      {
        limitMs: 300,
      },
    );
    expect(isAlive(await ofPidFile("pid"))).toBe(false);
  });

  test("is not held up by what it leaves behind, which is killed where that is asked for", async () => {
    expect((await sh(`sleep 100 & echo $! > ${dir}/pid`, { killStrays: true })).code).toBe(0);
    // The kernel takes a moment over a killed process.
    const stray = await ofPidFile("pid");
    while (isAlive(stray)) await new Promise((resolve) => setTimeout(resolve, 5));
  });

  test("dies with the process that started it", async () => {
    const parent = spawn(
      process.execPath,
      [
        "--input-type=module",
        "-e",
        `import { runCommand } from ${JSON.stringify(join(import.meta.dirname, "run-command.ts"))};
         await runCommand({ argv: ["sh", "-c", "echo $$ > ${dir}/pid; exec sleep 100"], environment: { PATH: process.env.PATH }, limitMs: 1e6, outputLimitBytes: 1 }, new AbortController().signal);`,
      ],
      { stdio: "ignore" },
    );
    let child = { pid: 0, startTicks: "" };
    while (!isAlive(child)) child = await ofPidFile("pid").catch(() => child);
    parent.kill("SIGKILL");
    while (isAlive(child)) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(isAlive(child)).toBe(false);
  });
});
