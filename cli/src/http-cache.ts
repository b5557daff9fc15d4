import { parseNarinfo, type Narinfo } from "@nix-ota/proto/narinfo";
import { storePathHash } from "@nix-ota/proto/store-path";

import { boundedForEach } from "./bounded-for-each.ts";
import type { Cache } from "./cache.ts";
import { CliError } from "./cli-error.ts";

/** Limits of asking one cache. */
export interface HttpCacheLimits {
  /** Requests at a time. Nix itself uses 25. */
  concurrency: number;
  /** For each request, headers and body together. */
  requestMs: number;
  /** Of one narinfo. Those of real closures are under 30 KiB. */
  answerBytes: number;
  /** Tries of each request; what a cache denies or lacks is not asked twice. */
  attempts: number;
}

const LIMITS: HttpCacheLimits = {
  concurrency: 24,
  requestMs: 20_000,
  answerBytes: 1024 * 1024,
  attempts: 3,
};

/** A cache over HTTP or HTTPS, asked for one narinfo a path. */
export function httpCache(url: string, limits: HttpCacheLimits = LIMITS): Cache {
  const base = url.replace(/\/$/u, "");
  return {
    url,
    async lookup(paths, signal, onAnswered = () => {}) {
      let answered = 0;
      const found = new Map<string, Narinfo>();
      await boundedForEach(paths, limits.concurrency, async (path) => {
        const address = `${base}/${storePathHash(path)}.narinfo`;
        const text = await fetchText(address, limits, signal);
        onAnswered((answered += 1));
        if (text === undefined) return;
        const read = parseNarinfo(text, path);
        if (!read.ok)
          throw new CliError("cache", `${address} ${read.problem}; upload the path again`);
        found.set(path, read.info);
      });
      return found;
    },
  };
}

/** The body, or undefined where the cache has none. */
async function fetchText(
  address: string,
  limits: HttpCacheLimits,
  signal: AbortSignal,
): Promise<string | undefined> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await fetchOnce(address, limits, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof CliError) throw error;
      if (attempt >= limits.attempts) throw unreachableCache(address, error, limits);
    }
  }
}

async function fetchOnce(
  address: string,
  limits: HttpCacheLimits,
  signal: AbortSignal,
): Promise<string | undefined> {
  const response = await fetch(address, {
    signal: AbortSignal.any([signal, AbortSignal.timeout(limits.requestMs)]),
  });
  if (response.status === 200) return readBounded(response, address, limits.answerBytes);
  await response.body?.cancel();
  switch (response.status) {
    // S3 answers 403 for what is not there unless the reader may list; nix reads both as absent.
    case 403:
    case 404:
      return undefined;
    case 401:
      throw new CliError(
        "cache",
        `${address} wants credentials; publish from a machine that may read it, or name another cache`,
      );
    default:
      throw new Error(`HTTP status ${response.status}`);
  }
}

async function readBounded(response: Response, address: string, limit: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > limit)
      throw new CliError("cache", `${address} is over ${limit} bytes, which is no narinfo`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function unreachableCache(address: string, cause: unknown, limits: HttpCacheLimits): CliError {
  const problem = ((): string => {
    if (!(cause instanceof Error)) return String(cause);
    if (cause.name === "TimeoutError") return `no answer within ${limits.requestMs / 1000} s`;
    // fetch says only "fetch failed"; what happened is underneath.
    return cause.cause instanceof Error ? cause.cause.message || cause.message : cause.message;
  })();
  return new CliError(
    "cache",
    `${address} cannot be read: ${problem}; check the URL and the network`,
    { cause },
  );
}
