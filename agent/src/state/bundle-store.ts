import { rm } from "node:fs/promises";

import { AgentError } from "../agent-error.ts";
import type { BundleFile, Bundles, Disk } from "../ports.ts";

/** Above the largest that the gate and the contract know. */
const LIMIT_BYTES: Readonly<Record<BundleFile, number>> = {
  manifest: 32 * 1024,
  listing: 5 * 1024 * 1024,
};

/** Where the bundle of a request lies: nobody but root reaches it, so it does not change any more. */
export const bundleDirectory = (stateDir: string, id: string): string =>
  `${stateDir}/bundles/${id}`;

export function bundleStore(disk: Disk, stateDir: string): Bundles {
  return {
    read: async (id, file) =>
      await disk.read(`${bundleDirectory(stateDir, id)}/${file}`, LIMIT_BYTES[file]),
    cacheUrl: (id) => `file://${bundleDirectory(stateDir, id)}/cache`,
    async keep(ids) {
      for (const id of await disk.list(`${stateDir}/bundles`)) {
        if (ids.includes(id)) continue;
        const path = bundleDirectory(stateDir, id);
        try {
          await rm(path, { recursive: true, force: true });
        } catch (cause) {
          throw new AgentError("state", `${path} cannot be deleted`, cause);
        }
      }
    },
  };
}
