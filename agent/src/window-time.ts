/**
 * What time it is for windows, in seconds since 1970 UTC; undefined: nobody knows. Pure.
 *
 * A wall clock counts while something keeps it right. Else the server's word does, counted on by the
 * monotonic clock: it comes over an authenticated connection, which is more than most sources of time
 * can say. A clock that starts in 1970 opens no window by itself.
 */
export interface WindowTimeSources {
  readonly wallS: number;
  readonly synchronized: boolean;
  /** The server's clock in its last answer, and when that came, by the monotonic clock. */
  readonly server: { readonly wallS: number; readonly atMs: number } | undefined;
  readonly nowMs: number;
  /** A time that has certainly been reached: whoever tells an earlier one is wrong. */
  readonly certainS: number;
}

/** Longest time over which the monotonic clock counts the server's on: it stops while a device sleeps. */
const SERVER_TIME_MS = 24 * 60 * 60 * 1000;

export function windowTimeS(sources: WindowTimeSources): number | undefined {
  const { wallS, synchronized, server, nowMs, certainS } = sources;
  if (synchronized && wallS >= certainS) return wallS;
  if (server === undefined || nowMs - server.atMs > SERVER_TIME_MS) return undefined;
  const toldS = Math.floor(server.wallS + (nowMs - server.atMs) / 1000);
  return toldS >= certainS ? toldS : undefined;
}
