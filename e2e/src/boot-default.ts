import { readFile, readlink } from "node:fs/promises";
import { join } from "node:path";

export type BootDefault = {
  /** Store path of the toplevel, or null when neither boot loader nor profile names one. */
  readonly system: string | null;
  /** What named it, for messages. */
  readonly from: string;
};

/** What a machine starts at its next power-on, read as a boot loader would, from below `root`. */
export async function bootDefault(root: string): Promise<BootDefault> {
  const loader = await readOrNull(join(root, "boot/loader/loader.conf"));
  const entry = loader?.match(/^default (\S+)$/m)?.[1];
  if (entry === undefined) return { system: await profileSystem(root), from: "the system profile" };
  const text = await readOrNull(join(root, "boot/loader/entries", entry));
  const init = text?.match(/^options .*\binit=(\S+)\/init\b/m)?.[1];
  return { system: init ?? null, from: `boot entry ${entry}` };
}

/** The store path that the system profile points to, through its generation link. */
export async function profileSystem(root: string): Promise<string | null> {
  const profiles = join(root, "nix/var/nix/profiles");
  const generation = await readLinkOrNull(join(profiles, "system"));
  return generation === null ? null : await readLinkOrNull(join(profiles, generation));
}

export async function readLinkOrNull(path: string): Promise<string | null> {
  return await readlink(path).catch(nullIfMissing);
}

async function readOrNull(path: string): Promise<string | null> {
  return await readFile(path, "utf8").catch(nullIfMissing);
}

function nullIfMissing(cause: NodeJS.ErrnoException): null {
  if (cause.code === "ENOENT") return null;
  throw cause;
}
