/**
 * How long a stream lives, milliseconds: between half of the longest life and
 * all of it, so that streams that began together do not end together, and never
 * beyond the credential that it was opened with.
 */
export function streamLifeMs(stream: {
  readonly longestMs: number;
  /** When the credential ends, milliseconds since 1970; undefined: it does not. */
  readonly expiresAtMs: number | undefined;
  readonly nowMs: number;
  /** From 0 up to 1. */
  readonly random: number;
}): number {
  const { longestMs, expiresAtMs = Infinity, nowMs, random } = stream;
  const jittered = Math.round((longestMs / 2) * (1 + random));
  return Math.max(0, Math.min(jittered, expiresAtMs - nowMs));
}
