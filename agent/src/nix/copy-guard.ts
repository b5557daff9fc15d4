/** When a copy is given up. Nix bounds neither endless nor trickling caches. */
import type { Failure } from "../failure.ts";
import { mib } from "../spell-bytes.ts";

export interface CopyLimits {
  /** Longest time without any sign of life. */
  readonly stallMs: number;
  /** Least rate, measured over the window. */
  readonly minBytesPerS: number;
  readonly rateWindowMs: number;
  /** Longest time for the whole copy. */
  readonly totalMs: number;
  /** Most compressed bytes; 0: not known. */
  readonly budgetBytes: number;
  /** Fewest bytes free on /nix. */
  readonly minFreeBytes: number;
}

export interface Sample {
  readonly nowMs: number;
  readonly bytesDone: number;
  /** Rises with every sign of life. */
  readonly activity: number;
  readonly freeBytes: number;
}

/** The same for a copy that is held to a rate: it may take the time that this takes it. */
export function atRate(limits: CopyLimits, bytesPerS: number, closureBytes: number): CopyLimits {
  if (bytesPerS === 0) return limits;
  return {
    ...limits,
    minBytesPerS: Math.min(limits.minBytesPerS, bytesPerS / 4),
    totalMs: Math.max(limits.totalMs, (4 * closureBytes * 1000) / bytesPerS),
  };
}

/** Judges samples as they come; undefined: go on. */
export function copyGuard(
  limits: CopyLimits,
  start: Sample,
): (sample: Sample) => Failure | undefined {
  let alive = start;
  let window = start;
  return (sample) => {
    if (sample.activity !== alive.activity) alive = sample;
    if (limits.budgetBytes > 0 && sample.bytesDone > limits.budgetBytes) {
      return {
        code: "TOO_MUCH_DATA",
        message: `the cache sent ${mib(sample.bytesDone)}, over the ${mib(limits.budgetBytes)} that the manifest leaves room for; check the cache`,
      };
    }
    if (sample.freeBytes < limits.minFreeBytes) {
      return {
        code: "NO_SPACE",
        message: `${mib(sample.freeBytes)} are left on /nix, fewer than the ${mib(limits.minFreeBytes)} kept free; free space on /nix`,
      };
    }
    if (sample.nowMs - alive.nowMs >= limits.stallMs) {
      return {
        code: "CACHE_STALLED",
        message: `the copy made no progress for ${Math.round(limits.stallMs / 1000)} s; check the cache and the network`,
      };
    }
    if (sample.nowMs - window.nowMs >= limits.rateWindowMs) {
      const rate = ((sample.bytesDone - window.bytesDone) * 1000) / (sample.nowMs - window.nowMs);
      if (rate < limits.minBytesPerS) {
        return {
          code: "CACHE_STALLED",
          message: `the cache sent ${Math.round(rate)} bytes a second, fewer than ${limits.minBytesPerS}; check the cache and the network`,
        };
      }
      window = sample;
    }
    if (sample.nowMs - start.nowMs >= limits.totalMs) {
      return {
        code: "CACHE_STALLED",
        message: `the copy took over ${Math.round(limits.totalMs / 60_000)} min; check the cache and the network`,
      };
    }
    return undefined;
  };
}
