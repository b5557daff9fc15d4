import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, expect, test } from "vitest";

import type { Bundles } from "../ports/requests.ts";
import { bundleStore } from "./bundle-store.ts";
import { nodeDisk } from "./node-disk.ts";

let stateDir: string;
let bundles: Bundles;

beforeEach(async () => {
  stateDir = await mkdtemp(join(tmpdir(), "bundles-"));
  bundles = bundleStore(nodeDisk, stateDir, { PATH: process.env["PATH"] ?? "" });
});

afterEach(async () => {
  await rm(stateDir, { recursive: true });
});

const kept = async () => await readdir(join(stateDir, "bundles"));

test("nobody deletes a bundle that is being copied, and nobody copies another beside it", async () => {
  const place = await bundles.open("a");
  await writeFile(join(place.folder, "manifest"), "m");
  await bundles.keep(async () => await Promise.resolve([]));
  expect(await kept()).toEqual(["a"]);
  await expect(bundles.open("b")).rejects.toThrow("another bundle is being copied");
  place.close();
  expect(await bundles.read("a", "manifest")).toEqual(new TextEncoder().encode("m"));
});

test("what was copied stays as long as somebody asks for it", async () => {
  for (const id of ["asked", "left"]) (await bundles.open(id)).close();
  await bundles.keep(async () => await Promise.resolve(["asked"]));
  expect(await kept()).toEqual(["asked"]);
  await bundles.keep(async () => await Promise.resolve([]));
  expect(await kept()).toEqual([]);
});

test("who asks is asked once nobody copies any more: the wish may have come meanwhile", async () => {
  const place = await bundles.open("a");
  const asked: string[] = [];
  place.close();
  await bundles.keep(async () => {
    // The lock is held: whoever copies next waits.
    await expect(bundles.open("b")).rejects.toThrow("another bundle");
    asked.push("a");
    return asked;
  });
  expect(await kept()).toEqual(["a"]);
});
