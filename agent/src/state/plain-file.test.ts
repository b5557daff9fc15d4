import { execFileSync } from "node:child_process";
import { constants } from "node:fs";
import {
  appendFile,
  mkdir,
  mkdtemp,
  open,
  readFile,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import { afterEach, beforeEach, expect, test } from "vitest";

import { plainFiles } from "./plain-file.ts";
import { writeFailure } from "./write-failure.ts";

let root: string;
const never = new AbortController().signal;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "plain-"));
  await mkdir(join(root, "cache"));
  await writeFile(join(root, "cache/a"), "twelve bytes");
});

afterEach(async () => {
  await rm(root, { recursive: true });
});

test("reads and copies what is a plain file, and says of what is not there that it is not", async () => {
  const files = await plainFiles(root, ["cache"], never);
  expect(await files.read("cache/a", 12)).toEqual(new TextEncoder().encode("twelve bytes"));
  expect(await files.size("cache/a")).toBe(12);
  expect(await files.size("cache/b")).toBeUndefined();
  expect(await files.read("cache/b", 12)).toBeUndefined();
  await files.copy("cache/a", 12, join(root, "copy"));
  expect(await readFile(join(root, "copy"), "utf8")).toBe("twelve bytes");
});

test("refuses a file over its limit, a link, a folder, and one that grew or shrank meanwhile", async () => {
  const files = await plainFiles(root, ["cache"], never);
  await expect(files.read("cache/a", 11)).rejects.toThrow("12 bytes, over the 11");
  await symlink("a", join(root, "cache/link"));
  await expect(files.size("cache/link")).rejects.toThrow("cache/link in the bundle is no plain");
  await expect(files.size("cache")).rejects.toThrow("cache in the bundle is no plain file");
  await appendFile(join(root, "cache/a"), "!");
  for (const size of [12, 14])
    await expect(files.copy("cache/a", size, join(root, `copy-${size}`))).rejects.toThrow(
      "changed while it was read",
    );
});

test("waits for no pipe, and reads no device", async () => {
  execFileSync("mkfifo", [join(root, "cache/pipe")]);
  const files = await plainFiles(root, ["cache"], never);
  for (const looked of [files.read("cache/pipe", 12), files.size("cache/pipe")])
    await expect(looked).rejects.toThrow("cache/pipe in the bundle is no plain file");
  const devices = await plainFiles("/dev", [], never);
  for (const name of ["null", "zero"])
    await expect(devices.read(name, 12)).rejects.toThrow(`${name} in the bundle is no plain file`);
});

test("does not even open what is no plain file: it could set a device going", async () => {
  const pipe = join(root, "cache/pipe");
  execFileSync("mkfifo", [pipe]);
  const files = await plainFiles(root, ["cache"], never);
  let opened = false;
  // Whoever writes to a pipe comes in as soon as anybody opens it to read, if only for a moment.
  const writer = open(pipe, "w").then(async (handle) => {
    opened = true;
    await handle.close();
  });
  try {
    await delay(20);
    await expect(files.read("cache/pipe", 12)).rejects.toThrow("no plain file");
    await delay(100);
    expect(opened).toBe(false);
  } finally {
    await (await open(pipe, constants.O_RDONLY | constants.O_NONBLOCK)).close();
    await writer;
  }
});

test("tells a disk that is full from one that cannot be written", () => {
  const failed = (code: string) => writeFailure("/x", Object.assign(new Error(code), { code }));
  expect(failed("ENOSPC")).toMatchObject({
    kind: "room",
    message: expect.stringContaining("; free space"),
  });
  expect(failed("EDQUOT")).toMatchObject({ kind: "room" });
  expect(failed("EROFS")).toMatchObject({ kind: "state" });
});

test("names what is no bundle at all: a file, and a folder that is a link", async () => {
  await expect(plainFiles(join(root, "cache/a"), ["cache"], never)).rejects.toThrow(
    "has no folder cache",
  );
  await symlink("cache", join(root, "linked"));
  await expect(plainFiles(root, ["linked"], never)).rejects.toThrow("has no folder linked");
});
