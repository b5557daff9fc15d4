import type { FailureCode } from "../gen/nixota/v1/device_pb.ts";
import type { RejectCodeName } from "./reject-code.ts";

type FailureCodeName = Exclude<keyof typeof FailureCode, "UNSPECIFIED">;

/** What helps after each failure, for a message that names only the cause. */
// oxfmt-ignore
export const FAILURE_REMEDY: Readonly<Record<FailureCodeName, string>> = {
  UNTRUSTED_PATH:     "sign the closure in the cache with a key that the device trusts",
  CORRUPT_CACHE:      "upload the closure to the cache anew",
  DIGEST_MISMATCH:    "look who can write to the cache, and publish the closure that was built",
  NOT_IN_CACHE:       "upload the whole closure before publishing",
  CACHE_DENIED:       "give the device what the cache asks of it",
  CACHE_UNREACHABLE:  "look whether the cache is up and the device reaches it",
  CACHE_STALLED:      "look at the cache and the network of the device",
  TOO_MUCH_DATA:      "look who can write to the cache, and publish the closure anew",
  NO_SPACE:           "free space on the device",
  WRONG_SYSTEM:       "publish a closure for this kind of machine",
  ORPHANED:           "publish a closure whose agent would take this very release on this device",
  NOT_A_SYSTEM:       "publish the toplevel of a NixOS system",
  ACTIVATION_REFUSED: "mend what its switch-to-configuration names, and publish a higher revision",
  ACTIVATION_FAILED:  "look at the journal of the device, and publish a higher revision",
  ACTIVATION_TIMEOUT: "look at the journal of the device for what hung, and publish a higher revision",
  UNITS_FAILED:       "look at the journal of the device, and publish a higher revision",
  HEALTH_FAILED:      "run the health command on the device, and publish a higher revision",
  HEALTH_NOT_RUN:     "put the health command into the closure, and publish a higher revision",
  CONTACT_LOST:       "look at the network configuration of the closure",
  AGENT_UNFIT:        "mend the agent of the closure, and publish a higher revision",
  COMMIT_FAILED:      "look at the space on /boot and /nix",
  NO_WAY_BACK:        "repair the system that runs",
  ROLLBACK_FAILED:    "repair the device by hand, or publish a higher revision",
  STATE_UNWRITABLE:   "look at the disk and the space of the state directory",
  REBOOTED:           "the device tries once more by itself; look whether its power holds",
  LINKS_CHANGED:      "nothing to do where that was meant; the next release takes over again",
  BOOT_FELL_BACK:     "look at the console of the device, and publish a higher revision, or let it in again with `nix-ota device retry` where only its power failed",
  TOOL_FAILED:        "look at the log of the device's agent",
  BY_HAND:            "publish a higher revision, or let it in again with `nix-ota device retry`",
  SWITCH_BUSY:        "wait for whoever switches by hand; the device tries again by itself",
  OVERDUE:            "look at the log of the device's agent for what hung",
};

/** What helps after each refusal of a manifest. */
// oxfmt-ignore
export const REJECT_REMEDY: Readonly<Record<RejectCodeName, string>> = {
  TOO_LARGE:       "publish a manifest of this contract",
  MALFORMED:       "publish it with a command line of this version",
  UNKNOWN_TYPE:    "publish it with a command line of this version",
  BAD_SIGNATURE:   "sign it with a key that the device pins",
  THRESHOLD:       "let as many of the pinned keys sign as the device asks for",
  UNSUPPORTED:     "update the agent of the device with an older form first",
  WRONG_FLEET:     "publish for the fleet of the device",
  WRONG_CHANNEL:   "publish on the channel of the device",
  WRONG_SYSTEM:    "publish a closure for this kind of machine",
  WRONG_TARGET:    "publish for the target of the device",
  BAD_PATH:        "publish a path of the store",
  BAD_SUBSTITUTER: "name a cache that the device allows",
  EXPIRED:         "publish a newer manifest",
  REPLAY:          "publish a higher revision",
  EQUIVOCATION:    "find out who signed twice, and publish a higher revision",
  FAST_FORWARD:    "publish the revision after the newest",
  QUARANTINED:     "publish a higher revision",
};

/**
 * A sentence with cause and remedy: what comes after a semicolon is what helps.
 *
 * @param message the cause; where it names a remedy of its own it stays as it is.
 */
export function withRemedy(message: string, remedy: string): string {
  return message.includes("; ") ? message : `${message}; ${remedy}`;
}
