import { mkdir, rm } from "node:fs/promises";

import { AgentError } from "../agent-error.ts";
import { takeLock } from "../agent-lock.ts";
import type { Disk } from "../ports/disk.ts";
import type { BundleFile, Bundles } from "../ports/requests.ts";
import { runCommand } from "../process/run-command.ts";
import { writeFailure } from "./write-failure.ts";

/** Above the largest that the gate and the contract know. */
const LIMIT_BYTES: Readonly<Record<BundleFile, number>> = {
  manifest: 32 * 1024,
  listing: 5 * 1024 * 1024,
};

/** A slow card with gigabytes that are not written yet. */
const SYNC_LIMIT_MS = 60 * 60_000;

/**
 * Bundles in `bundles/<id>`: nobody but root reaches them, so they do not change any more. One is
 * copied at a time, under a lock of its own: the agent goes on meanwhile.
 */
export function bundleStore(
  disk: Disk,
  stateDir: string,
  environment: Readonly<Record<string, string>>,
): Bundles {
  const directory = `${stateDir}/bundles`;
  const folderOf = (id: string) => `${directory}/${id}`;
  const lock = () => takeLock(`${stateDir}/bundles.lock`, 0, environment);
  return {
    read: async (id, file) => await disk.read(`${folderOf(id)}/${file}`, LIMIT_BYTES[file]),
    cacheUrl: (id) => `file://${folderOf(id)}/cache`,
    async open(id) {
      await disk.makeDirectory(directory);
      const close = unlessBusy(lock);
      if (close === undefined)
        throw new AgentError("busy", "another bundle is being copied; wait for its end", undefined);
      const folder = folderOf(id);
      try {
        await mkdir(`${folder}/cache/nar`, { recursive: true, mode: 0o700 });
      } catch (cause) {
        close();
        throw writeFailure(folder, cause);
      }
      return {
        folder,
        close,
        // All of it at once: each file by itself takes minutes on a slow card.
        async sync(signal) {
          const { how, code } = await runCommand(
            {
              argv: ["sync", "-f", directory],
              environment,
              limitMs: SYNC_LIMIT_MS,
              outputLimitBytes: 1024,
            },
            signal,
          );
          if (how !== "exited" || code !== 0)
            throw new AgentError("state", `${folder} cannot be brought to the disk`, undefined);
        },
      };
    },
    async keep(pending) {
      if ((await disk.list(directory)).length === 0) return;
      const close = unlessBusy(lock);
      if (close === undefined) return;
      try {
        // Who copied one before has asked for it by the time that the lock is free.
        const asked = await pending();
        for (const id of await disk.list(directory))
          if (!asked.includes(id)) await remove(folderOf(id));
      } finally {
        close();
      }
    },
  };
}

function unlessBusy(lock: () => () => void): (() => void) | undefined {
  try {
    return lock();
  } catch (cause) {
    if (cause instanceof AgentError && cause.kind === "busy") return undefined;
    throw cause;
  }
}

async function remove(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true });
  } catch (cause) {
    throw new AgentError("state", `${path} cannot be deleted`, cause);
  }
}
