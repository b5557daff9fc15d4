/** What time it is for deciding about expiry. Pure. */
import type { RejectCodeName } from "@nix-ota/proto";

export interface TimeSources {
  /** Latest signed time ever verified, seconds since 1970 UTC. */
  readonly signedTimeS: number;
  /** When the running configuration was built. */
  readonly builtAtS: number;
  readonly wallS: number;
  /** Whether something keeps the wall clock right; else it may say 1970 or 2099. */
  readonly synchronized: boolean;
}

/** A time that has certainly been reached. The wall clock counts only while it is kept right. */
export function certainTimeS(sources: TimeSources): number {
  return Math.max(sources.signedTimeS, sources.builtAtS, sources.synchronized ? sources.wallS : 0);
}

/**
 * Whether a manifest has certainly expired. The gate judges by the clock where there is one; this
 * holds also without: signed times alone prove that a moment has passed.
 */
export function certainlyExpired(
  notAfterS: bigint,
  sources: TimeSources,
): { readonly code: RejectCodeName; readonly message: string } | undefined {
  const certainS = certainTimeS(sources);
  if (notAfterS === 0n || BigInt(certainS) <= notAfterS) return undefined;
  return {
    code: "EXPIRED",
    message: `the manifest expired ${new Date(Number(notAfterS) * 1000).toISOString()}; publish a newer one`,
  };
}
