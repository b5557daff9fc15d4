import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";

import { expect, it } from "vitest";

const MAIN = join(import.meta.dirname, "main.ts");

it("says in one sentence that the result cannot be written, and fails", async () => {
  await using full = await open("/dev/full", "w");
  const { stderr, status } = spawnSync(process.execPath, [MAIN, "complete", "bash"], {
    stdio: ["ignore", full.fd, "pipe"],
    encoding: "utf8",
  });
  expect(stderr).toMatch(
    /^error: the result cannot be written: ENOSPC[^\n]*; check where stdout goes\n$/u,
  );
  expect(status).toBe(1);
});

it("ends as by SIGPIPE, not as done, when its reader has gone", async () => {
  const child = spawn(process.execPath, [MAIN, "complete", "bash"]);
  child.stdout.destroy();
  const [said, [code]] = await Promise.all([text(child.stderr), once(child, "exit")]);
  expect({ said, code }).toEqual({ said: "", code: 141 });
});

it("goes on when its notes cannot be written", async () => {
  await using full = await open("/dev/full", "w");
  const { status } = spawnSync(process.execPath, [MAIN, "frobnicate"], {
    stdio: ["ignore", "ignore", full.fd],
  });
  expect(status).toBe(2);
});
