import { readFile, readdir, readlink } from "node:fs/promises";
import { join } from "node:path";

import type { Journal } from "@nix-ota/agent/journal";
import { journalFile } from "@nix-ota/agent/state/journal-file";
import { nodeDisk } from "@nix-ota/agent/state/node-disk";
import { trustFile } from "@nix-ota/agent/state/trust-file";
import type { Trust } from "@nix-ota/agent/trust";
import type { DeviceEvent } from "@nix-ota/proto/nixota/v1/device_pb";

import { bootDefault, profileSystem, readLinkOrNull } from "../src/boot-default.ts";

/** What is on a device at a moment, read from its files as the agent left them. */
export type Picture = {
  readonly running: string | null;
  readonly profile: string | null;
  readonly bootDefault: string | null;
  readonly journal: Journal | undefined;
  readonly trust: Trust;
  /** The agent's GC roots: name and target. */
  readonly roots: Readonly<Record<string, string>>;
  /** Systems that generations of the profile name. */
  readonly generations: readonly string[];
  /** Names of reports that the server has not acknowledged. */
  readonly outbox: readonly string[];
  /** What runs of switch-to-configuration left. */
  readonly results: readonly string[];
  /** Command lines of every process, the harness's own left out. */
  readonly processes: readonly string[];
};

/** Everything that is known of a case when it is over. */
export type Ending = {
  readonly picture: Picture;
  /** What the server keeps of the device, oldest first. */
  readonly events: readonly DeviceEvent[];
  /** All that agents of the device printed. */
  readonly log: string;
  /** Every command line that was seen, the agents' own included. */
  readonly commandLines: ReadonlySet<string>;
  /** What must stand in no log, command line or report. */
  readonly secrets: readonly string[];
  /** What the device started from, what it was offered, and what an administrator switched to. */
  readonly systems: {
    readonly previous: string;
    readonly offered: readonly string[];
    readonly byHand: string | undefined;
  };
  /** Complaints of those who looked on while it ran. */
  readonly noticed: readonly string[];
  /** Highest revisions that were ever seen on record as floor and as commit. */
  readonly highest: { readonly floor: number; readonly commit: number };
  /** The attempt whose only record was destroyed: nobody can know how it ended. */
  readonly forgotten: string | undefined;
};

const PROFILES = "nix/var/nix/profiles";

/**
 * @param root where the device's own root directory is: `/proc/PID/root` while it is on, since it may
 *   have mounted something over what the host sees.
 */
export async function pictureOf(root: string, stateDir: string): Promise<Picture> {
  const state = join(root, stateDir);
  const generations = await Promise.all(
    (await names(join(root, PROFILES)))
      .filter((name) => /^system-\d+-link$/.test(name))
      .map(async (name) => await readlink(join(root, PROFILES, name))),
  );
  return {
    running: await readLinkOrNull(join(root, "run/current-system")),
    profile: await profileSystem(root),
    bootDefault: (await bootDefault(root)).system,
    ...(await recordsOf(root, stateDir)),
    roots: await rootsOf(root),
    generations,
    outbox: (await names(join(state, "outbox"))).filter((name) => /^\d/.test(name)),
    results: await names(join(state, "result")),
    processes: await commandLines(root),
  };
}

/** Journal and trust record, as the agent's own code reads them. */
export async function recordsOf(
  root: string,
  stateDir: string,
): Promise<Pick<Picture, "journal" | "trust">> {
  const state = join(root, stateDir);
  const committedRoots = async () => [];
  return {
    journal: await journalFile(nodeDisk, state).read(),
    trust: await trustFile(nodeDisk, state, { committedRoots }).read(),
  };
}

export async function rootsOf(root: string): Promise<Picture["roots"]> {
  const directory = join(root, "nix/var/nix/gcroots/nix-ota");
  const found = (await names(directory)).map(
    async (name) => [name, (await readLinkOrNull(join(directory, name))) ?? ""] as const,
  );
  return Object.fromEntries(await Promise.all(found));
}

/** Process 1 and the reader of its lifeline are the harness's. */
const HARNESS = /namespace-init\.sh|^cat$/;

export async function commandLines(root: string): Promise<string[]> {
  const pids = (await names(join(root, "proc"))).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(
    pids.map(async (pid) => {
      const text = await readFile(join(root, "proc", pid, "cmdline"), "utf8").catch(() => "");
      return text.replaceAll("\0", " ").trim();
    }),
  );
  return lines.filter((line) => line !== "" && !HARNESS.test(line));
}

async function names(directory: string): Promise<string[]> {
  return await readdir(directory).catch((cause: NodeJS.ErrnoException) => {
    // A process that ends while it is looked at has no directory any more, either.
    if (cause.code === "ENOENT" || cause.code === "ESRCH") return [];
    throw cause;
  });
}
