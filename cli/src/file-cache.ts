import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { MAX_NARINFO_BYTES, parseNarinfo, type Narinfo } from "@nix-ota/proto/narinfo";
import { storePathHash } from "@nix-ota/proto/store-path";

import { boundedForEach } from "./bounded-for-each.ts";
import type { Cache } from "./cache.ts";
import { CliError } from "./cli-error.ts";

/** Files open at a time. */
const CONCURRENCY = 32;

/** A cache in a folder: what `nix copy --to file://…` writes. */
export function fileCache(url: string): Cache {
  const folder = fileURLToPath(url);
  return {
    url,
    async lookup(paths, signal, onAnswered = () => {}) {
      let answered = 0;
      await expectCache(folder);
      const found = new Map<string, Narinfo>();
      await boundedForEach(paths, CONCURRENCY, async (path) => {
        const file = join(folder, `${storePathHash(path)}.narinfo`);
        const text = await readIfThere(file, signal);
        onAnswered((answered += 1));
        if (text === undefined) return;
        const read = parseNarinfo(text, path);
        if (!read.ok) throw new CliError("cache", `${file} ${read.problem}; upload the path again`);
        found.set(path, read.info);
      });
      return found;
    },
  };
}

/** An empty folder would read as a cache that lacks everything, which hides a mistyped path. */
async function expectCache(folder: string): Promise<void> {
  try {
    await stat(join(folder, "nix-cache-info"));
  } catch (error) {
    throw new CliError(
      "cache",
      `${folder} is no binary cache; fill it with nix copy --to file://${folder}`,
      { cause: error },
    );
  }
}

async function readIfThere(file: string, signal: AbortSignal): Promise<string | undefined> {
  try {
    const { size } = await stat(file);
    if (size > MAX_NARINFO_BYTES)
      throw new CliError(
        "cache",
        `${file} is over ${MAX_NARINFO_BYTES} bytes, which is no narinfo`,
      );
    return await readFile(file, { encoding: "utf8", signal });
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    if (error instanceof CliError || signal.aborted) throw error;
    throw new CliError("cache", `${file} cannot be read; check its permissions`, { cause: error });
  }
}
