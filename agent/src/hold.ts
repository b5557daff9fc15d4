/** What the device itself has against going on with an update. Pure. */
import { leftMs } from "./countdown.ts";
import type { ClockReading } from "./countdown.ts";
import type { Inhibitor } from "./ports/supervision.ts";
import type { Postponement } from "./postponement.ts";
import { spellDuration } from "./spell-duration.ts";
import { nextOpening } from "./window.ts";
import type { Window } from "./window.ts";

export interface Hold {
  /** One sentence: what holds, and how that ends. The same as long as nothing changes. */
  readonly reason: string;
  /** After so long it is worth a look whether it still does. */
  readonly lookAgainMs: number;
}

export interface HoldFacts {
  readonly windows: readonly Window[];
  /** What time it is for the windows; undefined: nobody knows. */
  readonly windowTimeS: number | undefined;
  readonly postponement: Postponement | undefined;
  readonly now: ClockReading;
  /** Files that hold by being there. */
  readonly files: readonly string[];
  /** Whether a program inhibits, and those that said why. */
  readonly inhibited: boolean;
  readonly inhibitors: readonly Inhibitor[];
}

export interface HoldLimits {
  readonly inhibitorsMs: number;
  readonly holdsMs: number;
}

/** Everything that holds; none: the device may be changed at this moment. */
export function holdsOf(facts: HoldFacts, limits: HoldLimits): readonly Hold[] {
  return [
    ...inhibitorHolds(facts, limits),
    ...facts.files.map((file) => ({
      reason: `the file ${file} holds updates back; they go on when it is gone`,
      lookAgainMs: limits.inhibitorsMs,
    })),
    ...postponementHold(facts, limits),
    ...windowHold(facts, limits),
  ];
}

/** Several as one; undefined: none. */
export function asOne(holds: readonly Hold[]): Hold | undefined {
  if (holds.length === 0) return undefined;
  return {
    reason: holds.map(({ reason }) => reason).join("; "),
    lookAgainMs: Math.min(...holds.map(({ lookAgainMs }) => lookAgainMs)),
  };
}

function inhibitorHolds(
  { inhibited, inhibitors }: HoldFacts,
  { inhibitorsMs }: HoldLimits,
): readonly Hold[] {
  if (!inhibited) return [];
  const named = inhibitors.map(({ pid, why }) => `${why} (process ${pid})`).join(", ");
  const who = named === "" ? "a program that did not say why" : named;
  return [
    {
      reason: `${who} holds updates back by \`nix-ota-agent inhibit\`; they go on when that ends`,
      lookAgainMs: inhibitorsMs,
    },
  ];
}

function postponementHold(
  { postponement, now }: HoldFacts,
  { holdsMs }: HoldLimits,
): readonly Hold[] {
  if (postponement === undefined) return [];
  const left = leftMs(postponement.countdown, now);
  if (left === 0) return [];
  const { forMs, why } = postponement;
  return [
    {
      reason: `a person put updates off for ${spellDuration(forMs)}${why === "" ? "" : ` (${why})`}; \`nix-ota-agent inhibit --end\` takes that back`,
      lookAgainMs: Math.min(left, holdsMs),
    },
  ];
}

function windowHold({ windows, windowTimeS }: HoldFacts, { holdsMs }: HoldLimits): readonly Hold[] {
  if (windows.length === 0) return [];
  if (windowTimeS === undefined) {
    return [
      {
        reason:
          "no window can open while nobody knows the time: the clock is not synchronised and the server did not tell it; see to time synchronisation",
        lookAgainMs: holdsMs,
      },
    ];
  }
  const opensS = nextOpening(windows, windowTimeS);
  if (opensS === windowTimeS) return [];
  const opens =
    opensS === undefined
      ? "which does not open within two weeks; look at `windows`"
      : `which opens ${new Date(opensS * 1000).toISOString().slice(0, 19)}Z`;
  const untilMs = opensS === undefined ? holdsMs : (opensS - windowTimeS) * 1000;
  return [{ reason: `waits for its window, ${opens}`, lookAgainMs: Math.min(untilMs, holdsMs) }];
}
