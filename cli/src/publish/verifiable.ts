import { sameBytes } from "@nix-ota/proto/bytes";
import { keyId, type PublicKey } from "@nix-ota/proto/key-file";
import { DeviceStanding, type Device } from "@nix-ota/proto/nixota/v1/device_pb";

import { countOf } from "../amounts.ts";
import { channelDevices } from "../channel-devices.ts";
import { CliError } from "../cli-error.ts";
import type { Server } from "../client.ts";
import { safeText } from "../terminal-text.ts";
import type { Part, Publication } from "./publish.ts";

/** Ids named in a message; the count tells the rest. */
const NAMED = 20;

/**
 * That every device which would be offered the release pins one of the keys that sign it, when that
 * was asked for. Devices that never said which keys they pin are not judged.
 *
 * @throws {CliError} `rejected` naming those that do not, `refused` when the token may not read
 *   devices.
 */
export async function expectVerifiable(
  { wishes, signers }: Publication,
  parts: readonly Part[],
  server: Server,
): Promise<void> {
  if (!wishes.requireVerifiable) return;
  const targets = new Set(parts.map(({ content }) => content.target));
  const devices = await channelDevices(server, wishes.channel);
  const unable = unableDevices(devices, targets, signers).map(({ id }) => safeText(id));
  if (unable.length === 0) return;
  const more = unable.length > NAMED ? ` and ${unable.length - NAMED} more` : "";
  throw new CliError(
    "rejected",
    `none of the keys that sign is pinned by ${countOf(unable.length, "device")}: ${unable.slice(0, NAMED).join(", ")}${more}; ` +
      "sign with a key that they pin as well, or leave out --require-verifiable",
  );
}

/** The devices of the targets that say which keys they pin and pin none of the signers'. */
export function unableDevices(
  devices: readonly Device[],
  targets: ReadonlySet<string>,
  signers: readonly PublicKey[],
): readonly Device[] {
  const ids = signers.map(({ publicKey }) => keyId(publicKey));
  return devices.filter(
    ({ target, standing, pinnedKeyIds }) =>
      targets.has(target) &&
      standing <= DeviceStanding.ACCEPTED &&
      pinnedKeyIds.length > 0 &&
      !pinnedKeyIds.some((pinned) => ids.some((id) => sameBytes(id, pinned))),
  );
}
