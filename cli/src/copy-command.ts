import { countOf } from "./amounts.ts";

/** Store paths written out; more make a line that nobody reads. */
const WRITTEN = 4;

/** The command that fills a cache with closures. */
export function copyCommand(url: string | undefined, storePaths: readonly string[]): string {
  const named =
    storePaths.length > WRITTEN
      ? `PATH…, for each of the ${countOf(storePaths.length, "system")}`
      : storePaths.join(" ");
  return `nix copy --to ${url ?? "CACHE"} ${named}`;
}
