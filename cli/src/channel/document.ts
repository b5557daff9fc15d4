import { toHex } from "@nix-ota/proto/hash";
import { keyId, printPublicKey } from "@nix-ota/proto/key-file";
import { EnrolmentModeSchema, type Channel } from "@nix-ota/proto/nixota/v1/channel_pb";

import { enumText } from "../enum-text.ts";
import { momentText } from "../moment.ts";

/** A channel for a program: every key is always there. */
export function channelDocument(channel: Channel) {
  return {
    name: channel.name,
    headRevision: Number(channel.headRevision),
    fleetFloorRevision: Number(channel.fleetFloorRevision),
    paused: channel.paused,
    enrolment: enumText(EnrolmentModeSchema, channel.enrolment),
    threshold: channel.threshold,
    publicKeys: channel.publicKeys.map(({ key, name }) => ({
      publicKey: printPublicKey({ name, publicKey: key }),
      keyId: toHex(keyId(key)),
    })),
    createdAt: momentText(channel.createdAt),
  };
}
