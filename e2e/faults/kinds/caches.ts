import type { FailureCodeName } from "@nix-ota/agent/failure";

import type { CacheFault } from "../../src/cache-fault.ts";
import { CacheKey } from "../../src/cache-key.ts";
import { poisonPath } from "../../src/poison.ts";
import type { Fault } from "../fault.ts";
import type { Subject } from "../subject.ts";

/** What a cache does wrong, until an attempt has ended by it. */
export const caches = {
  cacheUnsigned: onEtc("the cache leaves a path unsigned", "UNTRUSTED_PATH", "narinfo", {
    kind: "unsigned",
  }),
  cacheWrongKey: {
    says: "the cache signs a path with a key of its own",
    failure: "UNTRUSTED_PATH",
    strike: async (subject) => {
      const { folder } = subject.bench.fleet.workshop;
      const key = await CacheKey.create("stranger-1", folder.join(`${subject.name}.key`));
      return await inject(subject, "narinfo", { kind: "wrong-key", key });
    },
  },
  cacheCorrupt: onEtc("the cache serves corrupt bytes", "CORRUPT_CACHE", "nar", {
    kind: "corrupt",
  }),
  cacheEndless: {
    ...onEtc("the cache sends without end", "TOO_MUCH_DATA", "both", {
      kind: "endless",
      limitBytes: 300_000_000,
    }),
    config: { settings: { fetch: { budgetSlackBytes: 1_000_000 } } },
  },
  cacheTrickle: {
    ...onEtc("the cache trickles", "CACHE_STALLED", "nar", {
      kind: "trickle",
      bytes: 1,
      everyMs: 50,
    }),
    config: { settings: { fetch: { minBytesPerS: 20_000, rateWindowMs: 2_000 } } },
  },
  cacheStalls: impatiently("the cache stalls in the middle of a path", "CACHE_STALLED", "nar", {
    kind: "stall",
    afterBytes: 1,
  }),
  cacheDeaf: impatiently("the cache takes a request and never answers", "CACHE_STALLED", "nar", {
    kind: "no-answer",
  }),
  cache401: {
    ...onEtc("the cache answers 401", "CACHE_DENIED", "nar", { kind: "status", status: 401 }),
    // Nix 2.8 tells of a path that it is denied as of one that is not there.
    failure: ["CACHE_DENIED", "NOT_IN_CACHE"],
  },
  cache404: onEtc("the cache has lost a path", "NOT_IN_CACHE", "narinfo", {
    kind: "status",
    status: 404,
  }),
  cache500: onEtc("the cache answers 500", "CACHE_UNREACHABLE", "nar", {
    kind: "status",
    status: 500,
  }),
  cacheCut: onEtc("the cache cuts the connection", "CACHE_UNREACHABLE", "nar", {
    kind: "truncate",
    afterBytes: 10,
  }),
  cachePoisoned: {
    says: "a cache with a stolen key serves other contents, and heals",
    failure: "DIGEST_MISMATCH",
    strike: async (subject) => {
      const { fleet } = subject.bench;
      const outDir = fleet.workshop.folder.join(`${subject.name}-poison`);
      await poisonPath({
        builder: fleet.workshop.builder,
        cacheDir: fleet.own.cache.dir,
        key: fleet.own.key,
        storePath: await etcOf(subject),
        file: "etc/hostname",
        outDir,
      });
      return await inject(subject, "both", { kind: "poisoned", dir: outDir });
    },
  },
} as const satisfies Record<string, Fault>;

type Part = "narinfo" | "nar" | "both";

/** One path of the closure that the device lacks is enough. */
function onEtc(says: string, failure: FailureCodeName, part: Part, fault: CacheFault) {
  return { says, failure, strike: async (subject: Subject) => await inject(subject, part, fault) };
}

function impatiently(...given: Parameters<typeof onEtc>) {
  return { ...onEtc(...given), config: { settings: { fetch: { stallMs: 1_500 } } } };
}

async function inject(subject: Subject, part: Part, fault: CacheFault) {
  const injected = subject.lane.cache.inject({
    on: { storePath: await etcOf(subject), part },
    fault,
  });
  return () => injected[Symbol.dispose]();
}

async function etcOf({ bench, offered: [storePath = ""] }: Subject): Promise<string> {
  const closure = await bench.fleet.workshop.builder.closure(storePath);
  return closure.find((path) => path.endsWith("-etc")) ?? storePath;
}
