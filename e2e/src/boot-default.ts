import { readFile, readlink, rm } from "node:fs/promises";
import { join } from "node:path";

export type BootDefault = {
  /** Store path of the toplevel, or null when neither boot loader nor profile names one. */
  readonly system: string | null;
  /** What named it, for messages. */
  readonly from: string;
};

/** Where `nix/bootctl.sh` keeps the entry that is started once. */
const ONCE = "boot/loader/entry-once";

/**
 * What a machine starts at its next power-on, read as a boot loader would, from below `root`: an entry
 * that was asked for once, else the default.
 */
export async function nextBoot(root: string): Promise<BootDefault> {
  const once = (await readOrNull(join(root, ONCE)))?.trim();
  const system = once === undefined ? null : await systemOf(root, once);
  return system === null
    ? await bootDefault(root)
    : { system, from: `boot entry ${once ?? ""}, once` };
}

/** The same, and takes the entry that was asked for once away, as the boot itself does. */
export async function takeNextBoot(root: string): Promise<BootDefault> {
  const next = await nextBoot(root);
  await rm(join(root, ONCE), { force: true });
  return next;
}

/** What it starts whenever nothing was asked for once. */
export async function bootDefault(root: string): Promise<BootDefault> {
  const loader = await readOrNull(join(root, "boot/loader/loader.conf"));
  const entry = loader?.match(/^default (\S+)$/m)?.[1];
  if (entry === undefined) return { system: await profileSystem(root), from: "the system profile" };
  return { system: await systemOf(root, entry), from: `boot entry ${entry}` };
}

async function systemOf(root: string, entry: string): Promise<string | null> {
  const text = await readOrNull(join(root, "boot/loader/entries", entry));
  return text?.match(/^options .*\binit=(\S+)\/init\b/m)?.[1] ?? null;
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
