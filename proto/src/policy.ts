import type { SubstituterRules } from "./substituter-url.ts";

/**
 * Stands in a policy for "this is not compared here". There is no default: a
 * field that is forgotten does not compile, so nothing fails open by omission.
 */
export const UNCHECKED: unique symbol = Symbol("unchecked");

/** A manifest by its number and the sha256 of its payload. */
export interface ManifestRef {
  readonly revision: bigint;
  /** 32 bytes; empty together with revision 0: none. */
  readonly payloadSha256: Uint8Array;
}

/** What the opener of an envelope demands of the manifest. */
export interface Policy extends ClaimPolicy {
  /** Pinned keys, each 32 bytes and sound. One given twice counts once. */
  readonly publicKeys: readonly Uint8Array[];
  /** How many distinct pinned keys must have signed; below 1 counts as 1. */
  readonly threshold: number;
}

/** What is demanded of the claims in it, whoever signed them. */
export interface ClaimPolicy {
  /** Feature level of the agent that would apply it. */
  readonly agentLevel: number | typeof UNCHECKED;
  /** The device's fleet; empty: the device belongs to none and takes any. */
  readonly fleet: string | typeof UNCHECKED;
  /** The device's channel. */
  readonly channel: string | typeof UNCHECKED;
  /** The device's target; empty: it has none and takes only untargeted ones. */
  readonly target: string | typeof UNCHECKED;
  /** The device's system, e.g. `x86_64-linux`. */
  readonly system: string | typeof UNCHECKED;
  /** The device's rules; unchecked: the form of a URL is still judged. */
  readonly substituters: SubstituterRules | typeof UNCHECKED;
  /** Seconds since 1970 UTC; unchecked: no trusted clock, nothing expires. */
  readonly trustedTimeS: bigint | typeof UNCHECKED;
  /** Highest manifest ever verified on the channel, revision 0 when none. */
  readonly floor: ManifestRef | typeof UNCHECKED;
  /** Manifests that failed on this device. */
  readonly quarantine: readonly ManifestRef[] | typeof UNCHECKED;
}
