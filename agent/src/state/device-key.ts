import { parseSecretKey, printSecretKey } from "@nix-ota/proto/key-file";

import { AgentError } from "../agent-error.ts";
import type { Disk } from "../ports/disk.ts";

const NAME = "device.key";

/**
 * The seed of the device's own ed25519 key, made at the first start and readable by its owner only.
 * A damaged file is an error and never replaced: another key would be a stranger to the server.
 *
 * @throws {AgentError} kind `state`.
 */
export async function deviceKey(
  disk: Disk,
  stateDir: string,
  deviceId: string,
  randomSeed: () => Uint8Array,
): Promise<Uint8Array> {
  const stored = await storedKey(disk, stateDir);
  if (stored !== undefined) return stored;
  const seed = randomSeed();
  const text = `${printSecretKey({ name: deviceId, seed })}\n`;
  await disk.writeDurably(stateDir, NAME, new TextEncoder().encode(text), 0o600);
  return seed;
}

/**
 * The seed where there is one; undefined: the device was never started.
 *
 * @throws {AgentError} kind `state` for a file that is no key.
 */
export async function storedKey(disk: Disk, stateDir: string): Promise<Uint8Array | undefined> {
  const bytes = await disk.read(`${stateDir}/${NAME}`, 1024);
  if (bytes === undefined) return undefined;
  const key = parseSecretKey(new TextDecoder().decode(bytes));
  if (typeof key === "string") {
    throw new AgentError(
      "state",
      `${stateDir}/${NAME} is damaged; restore it, or delete it and re-key the device at the server`,
      key,
    );
  }
  return key.seed;
}
