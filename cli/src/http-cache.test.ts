import { expect, it } from "vitest";

import { httpCache } from "./http-cache.ts";
import { serveNarinfos, type Misbehave } from "./narinfo-server.testkit.ts";
import { closurePath } from "./store-paths.testkit.ts";

const CLOSURE = Array.from({ length: 60 }, (_, index) => closurePath(`package${index}-1.0`));
const PATHS = CLOSURE.map(({ path }) => path);
const LIMITS = { concurrency: 8, requestMs: 5000, answerBytes: 4096, attempts: 3 };
const signal = new AbortController().signal;

it("asks for each path once, at most so many at a time", async () => {
  await using server = await serveNarinfos(CLOSURE);
  const found = await httpCache(server.url, LIMITS).lookup(PATHS, signal);
  expect(found.size).toBe(60);
  expect(found.get(PATHS[7] ?? "")?.narHash).toBe(CLOSURE[7]?.narHash);
  expect([...server.asked.values()]).toEqual(Array(60).fill(1));
  expect(server.mostAtOnce()).toBeGreaterThan(1);
  expect(server.mostAtOnce()).toBeLessThanOrEqual(8);
});

it("leaves out what the cache lacks, whether it says 404 or 403", async () => {
  const misbehave: Misbehave = (address, _, response) => {
    if (!address.startsWith(`/${PATHS[1]?.slice(11, 43)}`)) return false;
    response.writeHead(403).end();
    return true;
  };
  await using server = await serveNarinfos(CLOSURE.slice(0, 3), { misbehave });
  const found = await httpCache(server.url, LIMITS).lookup(PATHS.slice(0, 4), signal);
  expect([...found.keys()].toSorted()).toEqual([PATHS[0] ?? "", PATHS[2] ?? ""].toSorted());
});

it("asks again after a server error, and gives up naming address and status", async () => {
  const fails =
    (times: number): Misbehave =>
    (_, nth, response) => {
      if (nth > times) return false;
      response.writeHead(503).end();
      return true;
    };
  await using flaky = await serveNarinfos(CLOSURE.slice(0, 1), { misbehave: fails(2) });
  expect((await httpCache(flaky.url, LIMITS).lookup(PATHS.slice(0, 1), signal)).size).toBe(1);
  await using broken = await serveNarinfos([], { misbehave: fails(99) });
  await expect(httpCache(broken.url, LIMITS).lookup(PATHS.slice(0, 1), signal)).rejects.toThrow(
    /\.narinfo cannot be read: HTTP status 503; check the URL and the network$/u,
  );
});

it.each<[string, Misbehave, RegExp]>([
  [
    "an endless answer is cut off",
    (_, __, response) => {
      response.writeHead(200);
      const more = (): void => {
        if (!response.destroyed) response.write("x".repeat(1000), () => setImmediate(more));
      };
      more();
      return true;
    },
    /is over 4096 bytes, which is no narinfo/u,
  ],
  ["an answer that never comes ends", () => true, /no answer within 0\.2 s/u],
  [
    "an answer that stops in the middle ends",
    (_, __, response) => {
      response.writeHead(200).write("StorePath: ");
      return true;
    },
    /no answer within 0\.2 s/u,
  ],
  [
    "a narinfo of another path is named",
    (_, __, response) => {
      response.writeHead(200).end("StorePath: /nix/store/other\n");
      return true;
    },
    /describes no path of a store; upload the path again/u,
  ],
  [
    "a cache that wants credentials says so",
    (_, __, response) => {
      response.writeHead(401).end();
      return true;
    },
    /wants credentials/u,
  ],
])("%s", async (_, misbehave, message) => {
  await using server = await serveNarinfos(CLOSURE, { misbehave });
  const cache = httpCache(server.url, { ...LIMITS, requestMs: 200, attempts: 1 });
  await expect(cache.lookup(PATHS.slice(0, 1), signal)).rejects.toThrow(
    expect.objectContaining({ kind: "cache", message: expect.stringMatching(message) }),
  );
});

it("names a cache that nobody serves", async () => {
  const server = await serveNarinfos([]);
  await server[Symbol.asyncDispose]();
  await expect(httpCache(server.url, LIMITS).lookup(PATHS.slice(0, 1), signal)).rejects.toThrow(
    /cannot be read: .*ECONNREFUSED/u,
  );
});

it("ends at once when interrupted", async () => {
  await using server = await serveNarinfos(CLOSURE, { misbehave: () => true });
  const interrupt = new AbortController();
  const lookup = httpCache(server.url, LIMITS).lookup(PATHS, interrupt.signal);
  interrupt.abort(new Error("interrupted"));
  await expect(lookup).rejects.toThrow("interrupted");
});
