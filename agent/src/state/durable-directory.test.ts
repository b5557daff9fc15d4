import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { expect, onTestFinished, test } from "vitest";

import { makeDurably } from "./durable-directory.ts";

test("brings every directory that it makes to the disk, by its parent, and none that was there", async () => {
  const top = await mkdtemp(join(tmpdir(), "nix-ota-directory-"));
  onTestFinished(async () => await rm(top, { recursive: true }));
  const synced: string[] = [];
  const sync = async (path: string) => void synced.push(path);
  await makeDurably(join(top, "a/b"), 0o700, sync);
  expect(synced).toEqual([join(top, "a"), top]);
  await makeDurably(join(top, "a/b/c"), 0o700, sync);
  await makeDurably(join(top, "a/b/c"), 0o700, sync);
  expect(synced).toEqual([join(top, "a"), top, join(top, "a/b")]);
});
