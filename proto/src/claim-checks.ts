import type { Manifest } from "../gen/nixota/v1/manifest_pb.ts";
import { sameBytes } from "./bytes.ts";
import { isId, isSystem } from "./ids.ts";
import { UNCHECKED, type ClaimPolicy } from "./policy.ts";
import { quoted } from "./quoted.ts";
import type { RejectCodeName } from "./reject-code.ts";
import { isStorePath } from "./store-path.ts";
import { ANY_SUBSTITUTER, checkSubstituterUrl } from "./substituter-url.ts";

/** The schema that these checks are for. */
const SCHEMA = 1;
/** Most substituters a manifest may name. */
const MAX_SUBSTITUTERS = 8;
/** Largest number of the contract: exact in JavaScript, PostgreSQL and JSON. */
const MAX_NUMBER = 2n ** 53n - 1n;
/** How long past its end a manifest is still taken, seconds: clocks differ. */
const EXPIRY_GRACE_S = 300n;
/** How far ahead of a trusted clock a manifest may have been signed, seconds. */
const MAX_AHEAD_S = 86_400n;
/** How far above the floor a revision may be. */
const MAX_JUMP = 1_000_000n;

/** An authentic, strictly parsed manifest, whose claims are not judged yet. */
interface Claim {
  readonly manifest: Manifest;
  readonly payloadSha256: Uint8Array;
}

/** One rule: undefined when it is met, else the sentence why not. */
interface ClaimCheck {
  readonly code: RejectCodeName;
  readonly check: (claim: Claim, policy: ClaimPolicy) => string | undefined;
}

/**
 * The rules for what a manifest claims, in the order in which they decide.
 * Whom it is for comes before what it asks, and the floor after everything
 * that does not depend on the device's past: a manifest for somebody else must
 * raise no alarm here.
 */
export const CLAIM_CHECKS: readonly ClaimCheck[] = [
  { code: "UNSUPPORTED", check: schemaIsKnown },
  { code: "UNSUPPORTED", check: agentIsAble },
  { code: "MALFORMED", check: fieldsAreInRange },
  { code: "WRONG_FLEET", check: fleetIsOurs },
  { code: "WRONG_CHANNEL", check: channelIsOurs },
  { code: "WRONG_SYSTEM", check: systemIsOurs },
  { code: "WRONG_TARGET", check: targetIsOurs },
  { code: "BAD_PATH", check: pathIsStorePath },
  { code: "BAD_SUBSTITUTER", check: substitutersAreAllowed },
  { code: "EXPIRED", check: timeIsRight },
  { code: "REPLAY", check: floorIsKept },
  { code: "EQUIVOCATION", check: floorIsSame },
  { code: "FAST_FORWARD", check: jumpIsShort },
  { code: "QUARANTINED", check: isNotQuarantined },
];

function schemaIsKnown({ manifest }: Claim): string | undefined {
  if (manifest.schema === SCHEMA) return undefined;
  return `manifest schema ${manifest.schema} is not ${SCHEMA}, the one that this verifier reads`;
}

function agentIsAble({ manifest }: Claim, { agentLevel }: ClaimPolicy): string | undefined {
  if (agentLevel === UNCHECKED || manifest.minAgentLevel <= agentLevel) return undefined;
  return `the manifest needs agent level ${manifest.minAgentLevel}, this agent has ${agentLevel}`;
}

/** The values that no verifier of this schema has a use for. */
function fieldsAreInRange({ manifest }: Claim): string | undefined {
  const { revision, closureBytes, closureDigest, issuedAtS, notAfterS } = manifest;
  if (revision < 1n || revision > MAX_NUMBER) return `revision ${revision} is not 1 to 2^53-1`;
  if (!isId(manifest.channel)) return `channel ${quoted(manifest.channel)} is no channel name`;
  for (const name of ["fleet", "target", "nextChannel"] as const) {
    const text = manifest[name];
    if (text !== "" && !isId(text)) return `${name} ${quoted(text)} is neither empty nor a name`;
  }
  if (!isSystem(manifest.system)) return `system ${quoted(manifest.system)} is no nix system`;
  if (closureBytes > MAX_NUMBER) return `closure size ${closureBytes} is over 2^53-1 bytes`;
  if (closureDigest.length !== 0 && closureDigest.length !== 32) {
    return `the closure digest has ${closureDigest.length} bytes, not 32 or none`;
  }
  if (issuedAtS < 1n || issuedAtS > MAX_NUMBER) return `signing time ${issuedAtS} s is none`;
  if (notAfterS !== 0n && (notAfterS <= issuedAtS || notAfterS > MAX_NUMBER)) {
    return `the end at ${notAfterS} s is not after the signing at ${issuedAtS} s`;
  }
  return undefined;
}

function fleetIsOurs({ manifest }: Claim, { fleet }: ClaimPolicy): string | undefined {
  if (fleet === UNCHECKED || fleet === "" || manifest.fleet === fleet) return undefined;
  return `the manifest is for fleet ${quoted(manifest.fleet)}, the device is in ${quoted(fleet)}`;
}

function channelIsOurs({ manifest }: Claim, { channel }: ClaimPolicy): string | undefined {
  if (channel === UNCHECKED || manifest.channel === channel) return undefined;
  return `the manifest is for channel ${quoted(manifest.channel)}, not ${quoted(channel)}`;
}

function systemIsOurs({ manifest }: Claim, { system }: ClaimPolicy): string | undefined {
  if (system === UNCHECKED || manifest.system === system) return undefined;
  return `the manifest is for system ${quoted(manifest.system)}, not ${quoted(system)}`;
}

/**
 * Equal, empty included. Otherwise a server could withhold a device's own
 * manifest and serve it the general one, or another machine's.
 */
function targetIsOurs({ manifest }: Claim, { target }: ClaimPolicy): string | undefined {
  if (target === UNCHECKED || manifest.target === target) return undefined;
  return `the manifest is for target ${quoted(manifest.target)}, not ${quoted(target)}`;
}

/** A path goes into argument lists: `--no-check-sigs` must never be one. */
function pathIsStorePath({ manifest }: Claim): string | undefined {
  if (isStorePath(manifest.storePath)) return undefined;
  return `${quoted(manifest.storePath)} is no store path`;
}

/** None at all is fine: devices have caches of their own. */
function substitutersAreAllowed(
  { manifest }: Claim,
  { substituters }: ClaimPolicy,
): string | undefined {
  const count = manifest.substituters.length;
  if (count > MAX_SUBSTITUTERS) {
    return `the manifest names ${count} substituters, over ${MAX_SUBSTITUTERS}`;
  }
  const rules = substituters === UNCHECKED ? ANY_SUBSTITUTER : substituters;
  for (const url of manifest.substituters) {
    const problem = checkSubstituterUrl(url, rules);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/**
 * Ends a freeze, and refuses a signing time from the future, which as the
 * newest time ever seen would make every later manifest look expired.
 */
function timeIsRight({ manifest }: Claim, { trustedTimeS }: ClaimPolicy): string | undefined {
  if (trustedTimeS === UNCHECKED) return undefined;
  const { issuedAtS, notAfterS } = manifest;
  if (notAfterS !== 0n && trustedTimeS > notAfterS + EXPIRY_GRACE_S) {
    return `the manifest ended at ${notAfterS} s, it is ${trustedTimeS} s; publish again`;
  }
  if (issuedAtS > trustedTimeS + MAX_AHEAD_S) {
    return `the manifest was signed at ${issuedAtS} s, over a day after ${trustedTimeS} s; set the signer's clock`;
  }
  return undefined;
}

function floorIsKept({ manifest }: Claim, { floor }: ClaimPolicy): string | undefined {
  if (floor === UNCHECKED || manifest.revision >= floor.revision) return undefined;
  return `revision ${manifest.revision} is below ${floor.revision}, which was verified already`;
}

function floorIsSame(
  { manifest, payloadSha256 }: Claim,
  { floor }: ClaimPolicy,
): string | undefined {
  if (floor === UNCHECKED || manifest.revision !== floor.revision) return undefined;
  if (sameBytes(payloadSha256, floor.payloadSha256)) return undefined;
  return `revision ${manifest.revision} was verified already with another payload; two manifests were signed under one number`;
}

/**
 * Whether a revision is as far above one that was verified as if to use up all
 * numbers. A first one may stand anywhere: there is nothing to measure from.
 *
 * @param floor 0: there is none.
 */
export function isFastForward(revision: bigint, floor: bigint): boolean {
  return floor > 0n && revision - floor > MAX_JUMP;
}

function jumpIsShort({ manifest }: Claim, { floor }: ClaimPolicy): string | undefined {
  if (floor === UNCHECKED || !isFastForward(manifest.revision, floor.revision)) return undefined;
  return `revision ${manifest.revision} is over ${MAX_JUMP} above ${floor.revision}, as if to use up all numbers`;
}

/** By payload too: another channel may use the same number. */
function isNotQuarantined(
  { manifest, payloadSha256 }: Claim,
  { quarantine }: ClaimPolicy,
): string | undefined {
  if (quarantine === UNCHECKED) return undefined;
  const failed = quarantine.some((one) => {
    return one.revision === manifest.revision && sameBytes(one.payloadSha256, payloadSha256);
  });
  if (!failed) return undefined;
  return `revision ${manifest.revision} failed on this device before; publish a later one or ask for a retry`;
}
