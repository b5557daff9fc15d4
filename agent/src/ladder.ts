/** Which way of hearing from the server is worth holding on to, judged by how it ended. Pure. */
import { backoffMs, jittered } from "./backoff.ts";

/**
 * `stream`: reports and directives over one HTTP/2 stream. `watch`: directives over HTTP/1.1, reports
 * by calls. `poll`: calls alone.
 */
export type Rung = "stream" | "watch" | "poll";

/** How a held connection ended, or why there was none. */
export type Ending =
  /** The path does not carry it: another protocol, or nobody there knows the call. */
  | "unsupported"
  /** It was opened and not a word came, though the server answers calls: something keeps answers back. */
  | "mute"
  /** It failed or was cut, though the server answers calls. */
  | "broken"
  /** The server said that it ends it. */
  | "announced"
  /** The server refused the device, which says nothing against the path. */
  | "refused"
  /** Calls are not answered either. */
  | "unreachable";

/** Where the device stands on the ladder. Lost with the process: each start begins at the top. */
export interface Ladder {
  /** Best first; one alone is never left. */
  readonly rungs: readonly [Rung, ...Rung[]];
  readonly rung: Rung;
  /** Against the rung, since a connection of it last held. */
  readonly strikes: number;
  /** Connections in a row that did not hold, on any rung: each makes the wait before the next longer. */
  readonly failures: number;
  /** While better rungs are on trial: the one that worked before. */
  readonly proven: Rung | undefined;
  /** Trials in a row that led back to it. */
  readonly falls: number;
  /** When the top is tried again, milliseconds of the monotonic clock; undefined at the top. */
  readonly climbAtMs: number | undefined;
}

export interface LadderSettings {
  /** A connection that lived so long held, however it ends. */
  readonly settleMs: number;
  /** Bounds of the wait before a connection is opened again: full jitter below them. */
  readonly reconnectWindowMs: number;
  readonly reconnectMaxMs: number;
  /** Time on a lower rung before the top is tried, doubled with each trial that fails. */
  readonly climbFirstMs: number;
  readonly climbMaxMs: number;
}

/** How much each ending speaks against a rung. */
const strikesOf: Readonly<Record<Ending, number>> = {
  unsupported: 3,
  mute: 2,
  broken: 1,
  announced: 0,
  refused: 0,
  unreachable: 0,
};

/** A rung with so many strikes is left. On trial one is enough: another is known to work. */
const STRIKES = 3;

/** Trials are spread by so much, so that a fleet that stepped down together does not climb together. */
const CLIMB_JITTER_PERCENT = 25;

/** @param transport the configured one; `auto` is all of them. */
export function firstLadder(transport: "auto" | Rung): Ladder {
  const rungs: Ladder["rungs"] = transport === "auto" ? ["stream", "watch", "poll"] : [transport];
  return {
    rungs,
    rung: rungs[0],
    strikes: 0,
    failures: 0,
    proven: undefined,
    falls: 0,
    climbAtMs: undefined,
  };
}

/** Back to the top, on trial, when its time has come. */
export function climbed(ladder: Ladder, nowMs: number): Ladder {
  if (ladder.climbAtMs === undefined || nowMs < ladder.climbAtMs) return ladder;
  return {
    ...ladder,
    rung: ladder.rungs[0],
    proven: ladder.rung,
    strikes: 0,
    climbAtMs: undefined,
  };
}

/**
 * What follows from the end of a connection.
 *
 * @param livedMs from the first word heard to the end; 0: none was heard.
 * @param fraction random, 0 (inclusive) to 1.
 * @returns the ladder after it, and how long to wait before the next connection.
 */
export function afterEnding(
  ladder: Ladder,
  end: { readonly ending: Ending; readonly livedMs: number },
  nowMs: number,
  fraction: number,
  settings: LadderSettings,
): { readonly ladder: Ladder; readonly waitMs: number } {
  const { rungs, rung, proven } = ladder;
  if (end.livedMs >= settings.settleMs || (end.ending === "announced" && end.livedMs > 0)) {
    return {
      ladder: {
        ...ladder,
        strikes: 0,
        failures: 0,
        proven: undefined,
        falls: proven === undefined ? ladder.falls : 0,
      },
      waitMs: reconnectMs(0, fraction, settings),
    };
  }
  const strikes = ladder.strikes + strikesOf[end.ending];
  const lower = rungs[rungs.indexOf(rung) + 1];
  const left = strikes >= (proven === undefined ? STRIKES : 1);
  if (!left || lower === undefined) {
    return {
      ladder: { ...ladder, strikes: Math.min(strikes, STRIKES), failures: ladder.failures + 1 },
      waitMs: reconnectMs(ladder.failures, fraction, settings),
    };
  }
  const fell = lower === proven;
  const falls = ladder.falls + (fell ? 1 : 0);
  const restMs = Math.min(settings.climbMaxMs, settings.climbFirstMs * 2 ** Math.min(falls, 30));
  return {
    ladder: {
      ...ladder,
      rung: lower,
      strikes: 0,
      failures: 0,
      proven: fell ? undefined : proven,
      falls,
      climbAtMs: nowMs + jittered(restMs, CLIMB_JITTER_PERCENT, fraction),
    },
    waitMs: 0,
  };
}

/**
 * A window already after the first end: it may be a restart of the server, which a whole fleet sees
 * in the same moment. Devices go on reporting by calls meanwhile.
 */
function reconnectMs(failures: number, fraction: number, settings: LadderSettings): number {
  return backoffMs(failures, settings.reconnectWindowMs, settings.reconnectMaxMs, fraction);
}
