import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

import { expect, it } from "vitest";

import { readPrivateFile } from "./private-file.ts";
import { temporaryFolder } from "./temporary-folder.testkit.ts";

it("reads as much as is allowed, and tells when there is more", async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, "secret");
  await writeFile(file, "12345", { mode: 0o600 });
  expect(await readPrivateFile(file, 5)).toEqual({ text: "12345", openMode: undefined });
  expect(await readPrivateFile(file, 4)).toEqual({ text: undefined, openMode: undefined });
});

it("reads a pipe to its end, however it arrives", async () => {
  await using folder = await temporaryFolder();
  const pipe = join(folder.path, "pipe");
  const run = promisify(execFile);
  await run("mkfifo", ["-m", "600", pipe]);
  const writing = run("sh", ["-c", `{ printf one; sleep 0.2; printf two; } > '${pipe}'`]);
  expect(await readPrivateFile(pipe, 100)).toMatchObject({ text: "onetwo" });
  await writing;
});
