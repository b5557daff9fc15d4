import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

import { storePathHash } from "@nix-ota/proto/store-path";
import { expect, it } from "vitest";

import { checkCaches, expectWhole } from "./cache-check.ts";
import { walkCaches } from "./cache-closure.ts";
import type { ClosurePath } from "./closure.ts";
import { serveNarinfos } from "./narinfo-server.testkit.ts";
import { openCache } from "./open-cache.ts";
import { closurePath, narinfoText, storePathOf } from "./store-paths.testkit.ts";
import { temporaryFolder } from "./temporary-folder.testkit.ts";

const TOP = closurePath("nixos-system-till", { references: ["a-1", "b-1", "nixos-system-till"] });
const A = closurePath("a-1", { references: ["c-1"] });
const B = closurePath("b-1");
const C = closurePath("c-1");
const CLOSURE = [TOP, A, B, C];
const signal = new AbortController().signal;

async function fillFolder(folder: string, closure: readonly ClosurePath[]): Promise<string> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "nix-cache-info"), "StoreDir: /nix/store\n");
  for (const path of closure)
    await writeFile(join(folder, `${storePathHash(path.path)}.narinfo`), narinfoText(path));
  return pathToFileURL(folder).href;
}

it("is whole when two caches hold a half each, over HTTP and in a folder", async () => {
  await using folder = await temporaryFolder();
  await using server = await serveNarinfos([TOP, A], { fileSize: 7 });
  const caches = await Promise.all(
    [server.url, await fillFolder(join(folder.path, "upstream"), [B, C])].map(openCache),
  );
  const check = await checkCaches(CLOSURE, caches, signal);
  expect({ ...check, fileSizes: Object.fromEntries(check.fileSizes) }).toEqual({
    missing: [],
    differing: [],
    unsigned: [],
    fileSizes: { [TOP.path]: 7, [A.path]: 7, [B.path]: 500, [C.path]: 500 },
  });
  expect(() => expectWhole(check, [TOP.path], ["u"])).not.toThrow();
});

it("asks a later cache only for what the earlier ones lack", async () => {
  await using first = await serveNarinfos([TOP, A]);
  await using second = await serveNarinfos(CLOSURE);
  await checkCaches(CLOSURE, await Promise.all([first.url, second.url].map(openCache)), signal);
  expect(second.asked.size).toBe(2);
});

it("names what is missing, how much it is, and the command that uploads it", async () => {
  await using server = await serveNarinfos([TOP, B]);
  const check = await checkCaches(CLOSURE, [await openCache(server.url)], signal);
  expect(() => expectWhole(check, [TOP.path], [server.url])).toThrow(
    `${server.url} lacks 2 of 4 paths: ${A.path}, ${C.path}; upload with: nix copy --to ${server.url} ${TOP.path}`,
  );
});

it("names the first three of many missing paths and counts the others", async () => {
  const many = Array.from({ length: 9 }, (_, index) => closurePath(`p${index}-1`));
  await using server = await serveNarinfos([]);
  const check = await checkCaches(many, [await openCache(server.url)], signal);
  expect(() => expectWhole(check, [TOP.path], [server.url, "https://b"])).toThrow(
    /^the caches together lack 9 of 9 paths: \S+p0-1, \S+p1-1, \S+p2-1 and 6 more; /u,
  );
});

it("a poisoned or rebuilt path differs, though a later cache has it right", async () => {
  await using first = await serveNarinfos([TOP, A, B, closurePath("c-1", { contents: "evil" })]);
  await using second = await serveNarinfos(CLOSURE);
  const caches = await Promise.all([first.url, second.url].map(openCache));
  const check = await checkCaches(CLOSURE, caches, signal);
  expect(check.differing).toEqual([{ path: C.path, cache: first.url }]);
  expect(() => expectWhole(check, [TOP.path], [first.url, second.url])).toThrow(
    new RegExp(`^${first.url} holds another build of 1 of 4 paths: ${C.path}; `, "u"),
  );
});

it("counts what devices would refuse for want of a signature", async () => {
  await using server = await serveNarinfos(CLOSURE, { signed: false });
  const check = await checkCaches(CLOSURE, [await openCache(server.url)], signal);
  expect(check.unsigned).toHaveLength(4);
});

it("takes a folder that is no cache for a mistake, not for an empty cache", async () => {
  await using folder = await temporaryFolder();
  const cache = await openCache(pathToFileURL(folder.path).href);
  await expect(cache.lookup([TOP.path], signal)).rejects.toThrow(/is no binary cache/u);
});

it("walks a closure from what caches say alone", async () => {
  await using first = await serveNarinfos([TOP, A]);
  await using second = await serveNarinfos([B, C]);
  const caches = await Promise.all([first.url, second.url].map(openCache));
  const closure = await walkCaches([TOP.path], caches, signal);
  expect(
    closure
      .closureOf(TOP.path)
      .map(({ path }) => path)
      .toSorted(),
  ).toEqual(CLOSURE.map(({ path }) => path).toSorted());
  expect([...first.asked.values(), ...second.asked.values()]).not.toContain(2);
});

it("ends a walk naming the path that no cache has", async () => {
  await using server = await serveNarinfos([TOP, A, B]);
  const caches = [await openCache(server.url)];
  await expect(walkCaches([TOP.path], caches, signal)).rejects.toThrow(
    `no cache has ${storePathOf("c-1")}, which the closure needs`,
  );
});

it("writes out what to upload, as long as that can be read", async () => {
  await using server = await serveNarinfos([]);
  const check = await checkCaches(CLOSURE, [await openCache(server.url)], signal);
  const paths = CLOSURE.map(({ path }) => path);
  expect(() => expectWhole(check, paths.slice(0, 2), ["u"])).toThrow(
    `upload with: nix copy --to u ${paths[0]} ${paths[1]}`,
  );
  expect(() => expectWhole(check, [...paths, ...paths], ["u"])).toThrow(
    /nix copy --to u PATH…, for each of the \d+ systems$/u,
  );
});
