import { readdir, readFile, readlink } from "node:fs/promises";
import { join } from "node:path";

import type { Device } from "./device.ts";

/**
 * Everything on a device's disks that its agent must not forget: its records, its GC roots, the
 * generations of the profile and the entries of the boot loader. Contents and targets by path.
 */
export async function keptBy(device: Device): Promise<ReadonlyMap<string, string>> {
  const kept = new Map<string, string>();
  for (const folder of [
    "/state",
    "/nix/var/nix/profiles",
    "/nix/var/nix/gcroots/nix-ota",
    "/boot/loader",
  ]) {
    await collect(device.hostPath(folder), folder, kept);
  }
  return kept;
}

/** What was there before and is not any more, or with other contents. */
export function lost(
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
): string[] {
  return [...before]
    .filter(([path, contents]) => after.get(path) !== contents)
    .map(([path]) => `${path} was ${after.has(path) ? "another" : "gone"} after the cut`);
}

/** Halves of a replacement, locks, caches, and what a switch printed: nobody counts on these after a cut. */
const PASSING = /(\.next|\.log|\.pipe|lock|lost\+found|^cache)$|^\.nix/;

async function collect(path: string, name: string, into: Map<string, string>): Promise<void> {
  const entries = await readdir(path, { withFileTypes: true }).catch(noneIfMissing);
  for (const entry of entries) {
    if (PASSING.test(entry.name)) continue;
    const [inner, innerName] = [join(path, entry.name), `${name}/${entry.name}`];
    if (entry.isDirectory()) await collect(inner, innerName, into);
    else if (entry.isSymbolicLink()) into.set(innerName, await readlink(inner));
    else into.set(innerName, await readFile(inner, "latin1"));
  }
}

function noneIfMissing(cause: NodeJS.ErrnoException): [] {
  if (cause.code === "ENOENT") return [];
  throw cause;
}
