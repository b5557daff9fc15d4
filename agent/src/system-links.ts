import { constants } from "node:fs";
import {
  access,
  open,
  readdir,
  readlink,
  realpath,
  rename,
  rm,
  stat,
  symlink,
} from "node:fs/promises";

import { AgentError } from "./agent-error.ts";
import { SYSTEM_PROFILE } from "./nix/node-nix.ts";
import type { CommittedRoot, Generation, Links } from "./ports/links.ts";
import { makeDurably } from "./state/durable-directory.ts";
import { syncPath } from "./state/node-disk.ts";
import { startsUnit } from "./systemd/started-unit.ts";

const ROOTS = "/nix/var/nix/gcroots/nix-ota";
const PROFILES = "/nix/var/nix/profiles";
const MAX_FILE_BYTES = 64 * 1024;

/** Target of a link; empty when there is none. */
async function target(path: string): Promise<string> {
  try {
    return await readlink(path);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "EINVAL" || code === "ENOTDIR") return "";
    throw new AgentError("state", `${path} cannot be read`, cause);
  }
}

/** A link in place of another, in one step: a root that is absent for a moment is no root. */
async function pointTo(path: string, storePath: string): Promise<void> {
  try {
    await makeDurably(ROOTS, 0o755, syncPath);
    const temporary = `${path}.next`;
    await rm(temporary, { force: true });
    // A device may be stuck for weeks, and its disk is worn by writes.
    if ((await target(path)) !== storePath) {
      await symlink(storePath, temporary);
      await rename(temporary, path);
    }
    await syncPath(ROOTS);
  } catch (cause) {
    throw new AgentError("state", `${path} cannot be made a root`, cause);
  }
}

const COMMITTED = /^committed-([a-z0-9][a-z0-9._-]{0,62})-([0-9]{1,16})-([0-9a-f]{64})$/;

/** The links of a NixOS system. */
export const systemLinks: Links = {
  running: async () => await target("/run/current-system"),
  booted: async () => await target("/run/booted-system"),
  async profile() {
    const link = await target(SYSTEM_PROFILE);
    const number = /^system-(\d+)-link$/.exec(link)?.[1];
    return number === undefined
      ? { number: 0, storePath: "" }
      : { number: Number(number), storePath: await target(`${PROFILES}/${link}`) };
  },
  async generations() {
    const names = await readdir(PROFILES).catch(() => []);
    const found: Generation[] = [];
    for (const name of names) {
      const number = /^system-(\d+)-link$/.exec(name)?.[1];
      if (number !== undefined)
        found.push({ number: Number(number), storePath: await target(`${PROFILES}/${name}`) });
    }
    return found.toSorted((a, b) => a.number - b.number);
  },
  async systemFile(storePath, file) {
    try {
      const handle = await open(`${storePath}/${file}`, constants.O_RDONLY);
      try {
        const bytes = new Uint8Array(MAX_FILE_BYTES);
        const { bytesRead } = await handle.read(bytes, 0, MAX_FILE_BYTES, 0);
        return new TextDecoder().decode(bytes.subarray(0, bytesRead));
      } finally {
        await handle.close();
      }
    } catch {
      // Absent, dangling or unreadable: the closure does not have the file, whatever the reason.
      return undefined;
    }
  },
  startsUnit,
  async part(storePath, part) {
    // A closure without the part differs from one with it, which is all that is asked.
    return await realpath(`${storePath}/${part}`).catch(() => "");
  },
  async partBytes(storePath, part) {
    const status = await stat(`${storePath}/${part}`).catch(() => undefined);
    return status?.isFile() === true ? status.size : 0;
  },
  async runnable(storePath, program) {
    const path = `${storePath}/${program}`;
    try {
      await access(path, constants.X_OK);
      const { size } = await stat(path);
      // The shell runs a file of no bytes and reports success.
      return size > 0;
    } catch {
      return false;
    }
  },
  root: async (name, storePath) => {
    await pointTo(`${ROOTS}/${name}`, storePath);
  },
  rooted: async (name) => await target(`${ROOTS}/${name}`),
  unroot: async (name) => {
    await rm(`${ROOTS}/${name}`, { force: true });
  },
  async rootCommitted({ channel, revision, payloadSha256, storePath }) {
    const kept = `committed-${channel}-${revision}-${payloadSha256}`;
    await pointTo(`${ROOTS}/${kept}`, storePath);
    for (const name of await readdir(ROOTS)) {
      if (COMMITTED.exec(name)?.[1] === channel && name !== kept) await rm(`${ROOTS}/${name}`);
    }
  },
  async committedRoots() {
    const names = await readdir(ROOTS).catch(() => []);
    const found: CommittedRoot[] = [];
    for (const name of names) {
      const [, channel, revision, payloadSha256] = COMMITTED.exec(name) ?? [];
      if (channel === undefined || revision === undefined || payloadSha256 === undefined) continue;
      found.push({
        channel,
        revision: Number(revision),
        payloadSha256,
        storePath: await target(`${ROOTS}/${name}`),
      });
    }
    return found;
  },
};
