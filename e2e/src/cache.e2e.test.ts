import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";

import { afterAll, afterEach, beforeAll, expect, test } from "vitest";

import type { CacheFault } from "./cache-fault.ts";
import { CacheKey } from "./cache-key.ts";
import { Cache } from "./cache.ts";
import { narInfoUrl, parseNarInfo } from "./narinfo.ts";
import { poisonPath } from "./poison.ts";
import { startCacheServer } from "./processes.ts";
import { publishSplit } from "./split-closure.ts";
import { Workshop } from "./workshop.ts";

let workshop: Workshop;
let cache: Cache;
let system: string;
let next: string;
/** A package of the first generation only, and the path in the closure whose bytes are many. */
let package0: string;
let blob: string;
let stranger: CacheKey;

beforeAll(async () => {
  workshop = await Workshop.open();
  system = await workshop.release({ gen: 1, bigMebibytes: 2 });
  next = await workshop.release({ gen: 2 });
  const closure = await workshop.builder.closure(system);
  const named = (name: string) => closure.find((path) => path.endsWith(name)) ?? name;
  package0 = named("-package0-1.1");
  blob = named("-blob-1.1");
  stranger = await CacheKey.create("stranger-1", workshop.folder.join("stranger.key"));
  cache = await Cache.start(workshop.cacheDir);
});
afterEach(() => {
  cache.heal();
  cache.resetTraffic();
});
afterAll(async () => {
  await cache?.[Symbol.asyncDispose]();
  await workshop?.[Symbol.asyncDispose]();
});

/** Quick limits: a stall is given up after a second, and nothing is tried more than twice. */
const LIMITS = ["--option", "stalled-download-timeout", "1", "--option", "download-attempts", "2"];

async function copyTo(name: string, options: { storePath?: string; timeoutMs?: number } = {}) {
  const { storePath = system, timeoutMs = 20_000 } = options;
  await using device = await workshop.device(name);
  const argv = ["nix", "copy", "--refresh", ...LIMITS, "--from", cache.url, "--", storePath];
  const copied = await device.exec(argv, { timeoutMs });
  const present = (await device.exec(["nix", "path-info", storePath])).code === 0;
  return { ...copied, present };
}

test("a cache in order serves a closure, and a later generation only what changed", async () => {
  await using device = await workshop.device("in-order");
  const copy = async (storePath: string) =>
    await device.run(["nix", "copy", "--from", cache.url, "--", storePath]);
  await copy(system);
  expect(cache.traffic().nars).toBe((await workshop.builder.closure(system)).length);
  cache.resetTraffic();
  await copy(next);
  expect(cache.traffic().nars).toBe(8);
  cache.resetTraffic();
  await copy(next);
  expect(cache.traffic()).toMatchObject({ requests: 0, bytes: 0 });
});

type Failing = [title: string, meets: string, fault: () => CacheFault, words: RegExp];

const status = (code: number) => (): CacheFault => ({ kind: "status", status: code });
const unable = /unable to download/;

test.each<Failing>([
  ["401", "toplevel narinfo", status(401), /no substituter that can build it/],
  ["403", "toplevel narinfo", status(403), /no substituter that can build it/],
  ["404", "toplevel narinfo", status(404), /no substituter that can build it/],
  ["404", "package narinfo", status(404), /path '.*-package0-1.1' is not valid/],
  ["404", "package nar", status(404), /does not exist in binary cache/],
  ["500", "package nar", status(500), /HTTP error 500.*retrying in/],
  ["503", "package nar", () => ({ kind: "status", status: 503, retryAfterS: 1 }), /HTTP error 503/],
  ["a stall", "package nar", () => ({ kind: "stall", afterBytes: 1 }), /Timeout was reached/],
  ["no answer", "package nar", () => ({ kind: "no-answer" }), /Timeout was reached/],
  ["a reset", "package nar", () => ({ kind: "reset", afterBytes: 0 }), unable],
  ["a cut", "package nar", () => ({ kind: "truncate", afterBytes: 0 }), unable],
  [
    "corruption",
    "package nar",
    () => ({ kind: "corrupt" }),
    /hash mismatch|failed to read compressed/,
  ],
  ["corruption", "package narinfo", () => ({ kind: "corrupt" }), /NAR info file .* is corrupt/],
  ["no signature", "package narinfo", () => ({ kind: "unsigned" }), /lacks a valid signature/],
  [
    "another key's signature",
    "package narinfo",
    () => ({ kind: "wrong-key", key: stranger }),
    /lacks a valid signature/,
  ],
])("%s on the %s fails the copy in nix's own words", async (title, meets, fault, words) => {
  const storePath = meets.startsWith("toplevel") ? system : package0;
  const part = meets.endsWith("narinfo") ? "narinfo" : "nar";
  cache.inject({ on: { storePath, part }, fault: fault() });
  const { code, stderr, present } = await copyTo(`${title} ${meets}`.replaceAll(/[^a-z0-9]/g, "-"));
  expect(stderr).toMatch(words);
  expect({ code, present }).toEqual({ code: 1, present: false });
});

test("a cache that asks for credentials from the start is not even seen as one", async () => {
  cache.inject({ on: /nix-cache-info/, fault: { kind: "status", status: 401 } });
  const { code, stderr } = await copyTo("credentials");
  expect(stderr).toMatch(/does not appear to be a binary cache/);
  expect(code).toBe(1);
});

test("a reset in the middle is resumed where it broke off", async () => {
  cache.inject({
    on: { storePath: blob, part: "nar" },
    times: 1,
    fault: { kind: "reset", afterBytes: 500_000 },
  });
  const { code, stderr, present } = await copyTo("resumed");
  expect(stderr).toMatch(/retrying from offset \d{4,}/);
  expect({ code, present }).toEqual({ code: 0, present: true });
  const path = `/${parseNarInfo(await readFile(join(cache.dir, narInfoUrl(blob)), "utf8")).URL}`;
  const { size } = await stat(join(cache.dir, path));
  const bytes = cache.traffic().byPath.get(path)?.bytes ?? 0;
  expect(bytes).toBeLessThan(size + 500_000);
});

test("a fault that meets only so many requests is survived by nix's own second try", async () => {
  cache.inject({
    on: { storePath: package0, part: "nar" },
    times: 1,
    fault: { kind: "status", status: 500 },
  });
  expect(await copyTo("second-try")).toMatchObject({ code: 0, present: true });
});

test.each<[string, () => CacheFault]>([
  ["trickle", () => ({ kind: "trickle", bytes: 1_000, everyMs: 100 })],
  ["endless", () => ({ kind: "endless", limitBytes: 64 * 1024 * 1024 })],
])("nix itself never ends a download from a cache that is %s", async (kind, fault) => {
  cache.inject({ on: { storePath: blob, part: "both" }, fault: fault() });
  const bound = await copyTo(kind, { timeoutMs: 3_000 });
  expect(bound).toMatchObject({ code: null, timedOut: true, present: false });
  expect(cache.traffic().narBytes).toBeGreaterThan(10_000);
});

test("the stolen cache key: other contents under the same path pass all that nix checks", async () => {
  const poison = workshop.folder.join("poison");
  const file = "share/package0/data";
  await poisonPath({
    builder: workshop.builder,
    cacheDir: workshop.cacheDir,
    key: workshop.key,
    storePath: package0,
    file,
    outDir: poison,
  });
  cache.inject({ on: /.*/, fault: { kind: "poisoned", dir: poison } });
  await using device = await workshop.device("poisoned");
  await device.run(["nix", "copy", "--from", cache.url, "--", system]);
  await device.run(["nix", "store", "verify", "--recursive", system]);
  expect(await device.run(["tail", "-n", "1", join(package0, file)])).toBe("changed by a thief");
});

test("half of a closure is only upstream, and installs only with both caches and both keys", async () => {
  const upstreamKey = await CacheKey.create("upstream-1", workshop.folder.join("upstream.key"));
  const own = { dir: workshop.folder.join("own"), key: workshop.key };
  const upstream = { dir: workshop.folder.join("upstream"), key: upstreamKey };
  // A builder of its own: on the other one these packages carry the own key's signature already.
  await using ci = await Workshop.open();
  const storePath = await ci.builder.buildSystem({ gen: 9 });
  const split = await publishSplit({ builder: ci.builder, storePath, own, upstream });
  expect(split.own.length).toBeGreaterThan(6);
  expect(split.upstream.length).toBeGreaterThan(4);
  await using ownCache = await Cache.start(own.dir);
  await using upstreamCache = await Cache.start(upstream.dir);
  await using device = await workshop.device("split");
  const realise = async (...keys: string[]) =>
    await device.exec([
      "nix-store",
      "--realise",
      "--max-jobs",
      "0",
      "--option",
      "narinfo-cache-negative-ttl",
      "0",
      "--option",
      "substituters",
      `${ownCache.url} ${upstreamCache.url}`,
      "--option",
      "trusted-public-keys",
      keys.join(" "),
      storePath,
    ]);
  const alone = await device.exec(["nix", "copy", "--from", ownCache.url, "--", storePath]);
  expect(alone.stderr).toMatch(/path '.*-package\d+-.*' is not valid/);
  expect((await realise(own.key.publicKey)).code).toBe(1);
  expect(await realise(own.key.publicKey, upstreamKey.publicKey)).toMatchObject({ code: 0 });
  expect((await device.exec(["nix-store", "--verify-path", storePath])).code).toBe(0);
});

test("a cache answers 404 to whatever is no part of a binary cache", async () => {
  const statuses: number[] = [];
  for (const path of [
    "/",
    "/../cache.key",
    "/nar/../../cache.key",
    "/cache.key",
    "/nix-cache-info",
  ]) {
    statuses.push((await fetch(`${cache.url}${path}`)).status);
  }
  expect(statuses).toEqual([404, 404, 404, 404, 200]);
});

test("a cache runs as a process of its own", async () => {
  await using server = await startCacheServer(workshop.cacheDir);
  expect(await (await fetch(`${server.url}/nix-cache-info`)).text()).toContain(
    "StoreDir: /nix/store",
  );
});
