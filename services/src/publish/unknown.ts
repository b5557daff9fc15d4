import { OtaError } from "../ota-error.ts";

/** The refusal for a channel that is not there. */
export function channelUnknown(channel: string): OtaError {
  return new OtaError(
    "CHANNEL_UNKNOWN",
    `there is no channel ${channel}; its first publish makes it, or \`nix-ota channel create\``,
  );
}

/** @param revision 0: the head. */
export function releaseUnknown(channel: string, revision: bigint): OtaError {
  const name = revision === 0n ? "a release" : `r${revision}`;
  return new OtaError("RELEASE_UNKNOWN", `channel ${channel} does not have ${name}`);
}
