import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, expect, test } from "vitest";

import { takeLock } from "./agent-lock.ts";

const environment = { PATH: process.env["PATH"] ?? "/usr/bin:/bin" };

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "nix-ota-lock-"));
});
afterEach(async () => {
  await rm(dir, { recursive: true });
});

test("one holder at a time, and another after the release", () => {
  const path = join(dir, "lock");
  const release = takeLock(path, 0, environment);
  expect(() => takeLock(path, 0, environment)).toThrow(/held by another/);
  release();
  takeLock(path, 0, environment)();
});

test("a holder that is killed holds nothing any more, whatever it started", async () => {
  const path = join(dir, "lock");
  const holder = spawn(
    process.execPath,
    [
      "--input-type=module",
      "-e",
      `import { spawn } from "node:child_process";
       import { takeLock } from ${JSON.stringify(join(import.meta.dirname, "agent-lock.ts"))};
       takeLock(${JSON.stringify(path)}, 0, process.env);
       const child = spawn("sleep", ["100"], { detached: true, stdio: "ignore" });
       process.stdout.write(String(child.pid));
       setInterval(() => {}, 1000);`,
    ],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  const [pid] = (await once(holder.stdout, "data")) as [Buffer];
  expect(() => takeLock(path, 0, environment)).toThrow(/held by another/);
  holder.kill("SIGKILL");
  await once(holder, "exit");
  takeLock(path, 0, environment)();
  process.kill(Number(pid.toString()), "SIGKILL");
});

test("a flock that hangs is no reason to wait for ever", async () => {
  await writeFile(join(dir, "flock"), "#!/bin/sh\nexec sleep 100\n", { mode: 0o755 });
  const hanging = { PATH: `${dir}:${environment.PATH}` };
  expect(() => takeLock(join(dir, "lock"), 0, hanging, "exclusive", 200)).toThrow(
    /flock of util-linux hangs/,
  );
});
