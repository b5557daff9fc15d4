/** Whether something fits, and the sentence with the numbers when it does not. Pure. */
import { mib } from "./spell-bytes.ts";

export interface SpaceNeed {
  /** What is asked about, for people, e.g. `/nix`. */
  readonly place: string;
  readonly freeBytes: number;
  /** What is to be written there. */
  readonly missingBytes: number;
  /** Wanted on top of that, percent of it. */
  readonly marginPercent: number;
  /** To stay free in any case. */
  readonly reserveBytes: number;
  /** What a person can do about it. */
  readonly remedy: string;
}

/** Undefined: it fits. */
export function shortage(need: SpaceNeed): string | undefined {
  const { place, freeBytes, missingBytes, marginPercent, reserveBytes, remedy } = need;
  const neededBytes = missingBytes + Math.ceil((missingBytes * marginPercent) / 100) + reserveBytes;
  if (freeBytes >= neededBytes) return undefined;
  const parts = [
    ...(missingBytes > 0 ? [`${mib(missingBytes)} missing and ${marginPercent} % on top`] : []),
    ...(reserveBytes > 0 ? [`${mib(reserveBytes)} that stay free`] : []),
  ];
  return `${place} has ${mib(freeBytes)} free, but ${mib(neededBytes)} are needed (${parts.join(", ")}): ${mib(neededBytes - freeBytes)} too few; ${remedy}`;
}
