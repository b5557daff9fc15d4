import type { Agent } from "../agent.ts";
import type { BootPart } from "../ports/links.ts";
import { shortage } from "../space-need.ts";

/** What a boot loader copies to its own file system, which is small and read by no store. */
const COPIED: readonly BootPart[] = ["kernel", "initrd"];

/**
 * Whether kernel and initrd of a closure fit beside those that are there: a boot loader that runs out
 * of space in the middle leaves entries without files. Undefined: they do, or there is no such place.
 */
export async function bootShortage(agent: Agent, storePath: string): Promise<string | undefined> {
  const { ports, config } = agent;
  const { bootDir, marginPercent } = config.settings.preflight;
  const space = await ports.space.freeIfThere(bootDir);
  if (space === undefined) return undefined;
  const there = new Set<string>();
  for (const generation of await ports.links.generations()) {
    for (const part of COPIED) there.add(await ports.links.part(generation.storePath, part));
  }
  let missingBytes = 0;
  for (const part of COPIED) {
    if (there.has(await ports.links.part(storePath, part))) continue;
    missingBytes += await ports.links.partBytes(storePath, part);
  }
  return shortage({
    place: bootDir,
    freeBytes: space.freeBytes,
    missingBytes,
    marginPercent,
    reserveBytes: 0,
    remedy: "remove old generations of the system profile, or lower keepGenerations",
  });
}
