import type { FailureCode } from "../gen/nixota/v1/device_pb.ts";

/**
 * Failures by which a closure showed that it is not what was signed for, or not for
 * the device: no operator's wish has it tried again, for it would fail again or
 * succeed by an attack.
 */
export const NEVER_RETRIED = [
  "UNTRUSTED_PATH",
  "CORRUPT_CACHE",
  "DIGEST_MISMATCH",
  "ORPHANED",
  "WRONG_SYSTEM",
] as const satisfies readonly (keyof typeof FailureCode)[];
