import { CliError } from "../cli-error.ts";
import { readLocalClosures } from "../local-closure.ts";
import { openCache } from "../open-cache.ts";
import type { Output } from "../output.ts";
import type { Wanted } from "../targets/wanted.ts";
import { resolveStorePath, toplevelSystem } from "../toplevel.ts";
import type { Part } from "./publish.ts";
import { pinnedClosures, trustedClosures } from "./release-closure.ts";
import type { ContentWishes } from "./wishes.ts";

/**
 * What is to be signed for each of the wanted systems: their closures, after the caches were seen to
 * hold all of them.
 *
 * @throws {CliError} `store` or `cache`.
 */
export async function readParts(
  wanted: readonly Wanted[],
  wishes: ContentWishes,
  output: Output,
  signal: AbortSignal,
): Promise<readonly Part[]> {
  const { trustCache, system: wishedSystem, ...common } = wishes;
  const caches = await Promise.all(wishes.substituters.map(openCache));
  const storePaths: string[] = [];
  const systems: string[] = [];
  for (const { path } of wanted) {
    const storePath = await resolveStorePath(path);
    storePaths.push(storePath);
    systems.push(trustCache ? (wishedSystem ?? "") : await systemOf(storePath, wishedSystem));
  }
  const closures = trustCache
    ? await trustedClosures(storePaths, caches, output, signal)
    : await pinnedClosures(storePaths, { caches, readClosures: readLocalClosures }, output, signal);
  return closures.map((closure, index) => ({
    content: {
      ...common,
      target: wanted[index]?.target ?? "",
      storePath: storePaths[index] ?? "",
      system: systems[index] ?? "",
      closureBytes: closure.bytes,
      closureDigest: closure.digest,
    },
    closure,
  }));
}

async function systemOf(storePath: string, wished: string | undefined): Promise<string> {
  const system = await toplevelSystem(storePath);
  if (wished === undefined || wished === system) return system;
  throw new CliError("store", `${storePath} is for ${system}, not ${wished} as --system says`);
}
