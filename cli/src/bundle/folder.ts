import { lstat, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

import { BUNDLE } from "@nix-ota/proto/bundle";

import { CliError } from "../cli-error.ts";
import { makeDurableFolder, nameDurably } from "../durable-folder.ts";

/** A bundle that is being made, under another name beside the one it will have. */
export interface NewBundle {
  /** URL of the cache in it. */
  readonly cacheUrl: string;
  /** Lays down the rest and, once all of it is on the disk, gives the folder its name. */
  finish(parts: { envelope: Uint8Array; listing: Uint8Array }, signal: AbortSignal): Promise<void>;
  /** Deletes what is not finished. */
  discard(): Promise<void>;
}

/**
 * Begins a bundle.
 *
 * @throws {CliError} `file` for a name that is taken or cannot be made.
 */
export async function beginBundle(out: string): Promise<NewBundle> {
  const place = resolve(out);
  if (await isThere(place))
    throw new CliError("file", `${out} exists and is never overwritten; give another --out`);
  const failed = (cause: unknown) =>
    new CliError(
      "file",
      `${out} cannot be written; check the folder ${dirname(place)} and its disk`,
      {
        cause,
      },
    );
  let folder: string;
  let alias: string;
  try {
    await makeDurableFolder(dirname(place));
    folder = await mkdtemp(join(dirname(place), ".bundle-"));
    // Versions of nix differ in how they read a URL with spaces, which names of sticks often have.
    alias = await mkdtemp(join(tmpdir(), "nix-ota-bundle-"));
    await symlink(folder, join(alias, "bundle"));
  } catch (cause) {
    throw failed(cause);
  }
  const cache = join(folder, BUNDLE.cache);
  return {
    cacheUrl: pathToFileURL(join(alias, "bundle", BUNDLE.cache)).href,
    async finish({ envelope, listing }, signal) {
      try {
        await dropOthers(cache);
        await writeFile(join(folder, BUNDLE.manifest), envelope);
        await writeFile(join(folder, BUNDLE.listing), listing);
        await nameDurably(folder, place, signal);
      } catch (cause) {
        if (signal.aborted) throw cause;
        throw failed(cause);
      }
    },
    async discard() {
      await rm(alias, { recursive: true, force: true });
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** nix makes folders for what no device asks for. */
async function dropOthers(cache: string): Promise<void> {
  for (const entry of await readdir(cache, { withFileTypes: true }))
    if (entry.isDirectory() && entry.name !== "nar")
      await rm(join(cache, entry.name), { recursive: true });
}

async function isThere(path: string): Promise<boolean> {
  return await lstat(path).then(
    () => true,
    () => false,
  );
}
