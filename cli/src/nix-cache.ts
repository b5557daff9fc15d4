import type { Narinfo } from "@nix-ota/proto/narinfo";

import type { Cache } from "./cache.ts";
import { CliError } from "./cli-error.ts";
import { parsePathInfo } from "./closure.ts";
import { nixPathInfo, type PathInfoQuestion } from "./nix.ts";

/** Paths in one call: their arguments stay well under what a process takes. */
const BATCH = 500;

/** Asks nix about paths in a store; `nixPathInfo` outside of tests. */
export type AskNix = (question: PathInfoQuestion, signal: AbortSignal) => Promise<string>;

/** A cache that only nix can speak to, e.g. s3. */
export function nixCache(url: string, askNix: AskNix = nixPathInfo): Cache {
  return {
    url,
    async lookup(paths, signal, onAnswered = () => {}) {
      const found = new Map<string, Narinfo>();
      for (let start = 0; start < paths.length; start += BATCH) {
        const batch = paths.slice(start, start + BATCH);
        const question: PathInfoQuestion = { paths: batch, recursive: false, store: url };
        for (const info of parseCacheInfo(await asked(askNix, question, signal)))
          found.set(info.path, info);
        onAnswered(start + batch.length);
      }
      return found;
    },
  };
}

async function asked(
  askNix: AskNix,
  question: PathInfoQuestion,
  signal: AbortSignal,
): Promise<string> {
  try {
    return await askNix(question, signal);
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    throw new CliError("cache", `${question.store} cannot be read: ${error.message}`, {
      cause: error,
    });
  }
}

/** The entries with what only caches say beside: `downloadSize` and `signatures`. */
function parseCacheInfo(json: string): Narinfo[] {
  const extras = extrasByPath(json);
  return parsePathInfo(json).map((entry) => {
    const { downloadSize, signatures, ca } = extras.get(entry.path) ?? {};
    const fileSize = typeof downloadSize === "number" ? downloadSize : entry.narSize;
    const signed = (Array.isArray(signatures) && signatures.length > 0) || Boolean(ca);
    return Object.assign(entry, { fileSize, signed });
  });
}

interface Extra {
  downloadSize?: unknown;
  signatures?: unknown;
  ca?: unknown;
}

function extrasByPath(json: string): Map<string, Extra> {
  const document: unknown = JSON.parse(json);
  if (Array.isArray(document))
    return new Map(document.map((entry: Extra & { path: string }) => [entry.path, entry]));
  return new Map(Object.entries(document as Record<string, Extra>));
}
