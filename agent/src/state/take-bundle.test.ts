import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, expect, test } from "vitest";

import { makeBundleFolder, pathOf } from "./bundle-folder.testkit.ts";
import { openBundle } from "./take-bundle.ts";

let folder: string;
const never = new AbortController().signal;
const envelope = new TextEncoder().encode("manifest");
const judged = { storePath: pathOf(0), closureDigest: new Uint8Array(), mostBytes: 1_000 };

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "bundle-"));
});

afterEach(async () => {
  await rm(folder, { recursive: true });
});

test("a closure is what the system refers to, and what that refers to", async () => {
  await makeBundleFolder(folder, envelope, [
    { number: 0, refersTo: [1, 0] },
    { number: 1, refersTo: [2, 1] },
    { number: 2 },
    { number: 3 },
  ]);
  const bundle = await openBundle(folder, never);
  expect(bundle.envelope).toEqual(envelope);
  expect(await bundle.lookThrough(judged)).toMatchObject({ paths: 3, bytes: 24 });
});

test("is given up between two files when somebody asks for that", async () => {
  await makeBundleFolder(folder, envelope, [{ number: 0, refersTo: [1] }, { number: 1 }]);
  const stopping = new AbortController();
  const bundle = await openBundle(folder, stopping.signal);
  const looking = bundle.lookThrough(judged);
  stopping.abort(new Error("asked"));
  await expect(looking).rejects.toThrow("asked");
  await expect(openBundle(folder, stopping.signal)).rejects.toThrow("asked");
});

test("is given up while it is copied, too", async () => {
  await makeBundleFolder(folder, envelope, [{ number: 0 }]);
  const stopping = new AbortController();
  const seen = await (await openBundle(folder, stopping.signal)).lookThrough(judged);
  stopping.abort(new Error("asked"));
  await expect(seen.copyTo(join(folder, "nowhere"))).rejects.toThrow("asked");
});

test("has no more in its NARs than its manifest announces", async () => {
  await makeBundleFolder(folder, envelope, [{ number: 0 }]);
  const bundle = await openBundle(folder, never);
  expect(await bundle.lookThrough({ ...judged, mostBytes: 8 })).toMatchObject({ bytes: 8 });
  await expect(bundle.lookThrough({ ...judged, mostBytes: 7 })).rejects.toThrow(
    /^the bundle has .* is the most that its manifest announces; make it anew/,
  );
});

test("is not read on when its narinfos together fill the memory, however small each is", async () => {
  const most = 64 * 1024 * 1024;
  const line = `Deriver: ${"x".repeat(60_000)}`;
  const numbers = Array.from({ length: Math.ceil(most / 60_000) }, (_, index) => index + 1);
  const parts = numbers.map((number) => ({ number, refersTo: [number + 1], line }));
  // The last refers to one that is not there: who reads on comes to it.
  await makeBundleFolder(folder, envelope, [{ number: 0, refersTo: [1] }, ...parts]);
  const bundle = await openBundle(folder, never);
  await expect(bundle.lookThrough(judged)).rejects.toThrow(
    "the bundle tells more of its paths than any cache does; copy the bundle",
  );
});
