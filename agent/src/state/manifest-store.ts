import type { Disk } from "../ports/disk.ts";
import type { ManifestStore } from "../ports/records.ts";

/** Above the largest envelope that the gate reads. */
const MAX_ENVELOPE_BYTES = 32 * 1024;

/** Verified envelopes as files named by the sha256 of their payload. */
export function manifestStore(disk: Disk, stateDir: string): ManifestStore {
  const directory = `${stateDir}/manifests`;
  return {
    read: async (payloadSha256) =>
      await disk.read(`${directory}/${payloadSha256}`, MAX_ENVELOPE_BYTES),
    write: async (payloadSha256, envelope) => {
      await disk.writeDurably(directory, payloadSha256, envelope, 0o600);
    },
    keep: async (payloadSha256s) => {
      for (const name of await disk.list(directory)) {
        if (!payloadSha256s.includes(name)) await disk.remove(`${directory}/${name}`);
      }
    },
  };
}
