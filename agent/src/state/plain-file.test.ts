import { appendFile, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, expect, test } from "vitest";

import { plainFiles } from "./plain-file.ts";

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
  const files = await plainFiles(root, ["cache"]);
  expect(await files.read("cache/a", 12)).toEqual(new TextEncoder().encode("twelve bytes"));
  expect(await files.size("cache/a")).toBe(12);
  expect(await files.size("cache/b")).toBeUndefined();
  expect(await files.read("cache/b", 12)).toBeUndefined();
  await files.copy("cache/a", 12, join(root, "copy"), never);
  expect(await readFile(join(root, "copy"), "utf8")).toBe("twelve bytes");
});

test("refuses a file over its limit, a link, a folder, and one that grew or shrank meanwhile", async () => {
  const files = await plainFiles(root, ["cache"]);
  await expect(files.read("cache/a", 11)).rejects.toThrow("12 bytes, over the 11");
  await symlink("a", join(root, "cache/link"));
  await expect(files.size("cache/link")).rejects.toThrow("cache/link in the bundle is no plain");
  await expect(files.size("cache")).rejects.toThrow("cache in the bundle is no plain file");
  await appendFile(join(root, "cache/a"), "!");
  for (const size of [12, 14])
    await expect(files.copy("cache/a", size, join(root, `copy-${size}`), never)).rejects.toThrow(
      "changed while it was read",
    );
});

test("names what is no bundle at all: a file, and a folder that is a link", async () => {
  await expect(plainFiles(join(root, "cache/a"), ["cache"])).rejects.toThrow("has no folder cache");
  await symlink("cache", join(root, "linked"));
  await expect(plainFiles(root, ["linked"])).rejects.toThrow("has no folder linked");
});
