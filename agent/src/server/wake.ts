import { toHex } from "@nix-ota/proto/hash";
import type { Directive } from "@nix-ota/proto/nixota/v1/device_pb";

import type { Chance, Clock } from "../ports/clock.ts";

export interface WakeSettings {
  /** What the server says by itself is acted on within so much, at random: a publish meets a fleet. */
  readonly pushSpreadMs: number;
  /** Least time between an answer and a push that is acted on: no server makes a device spin. */
  readonly pushRestMs: number;
}

/** What ends the agent's sleep between two polls. */
export interface Wake {
  /** The server spoke by itself. What its last answer said as well wakes nobody. */
  pushed(directive: Directive): void;
  /** The server answered. */
  answered(directive: Directive): void;
  /** It is time to ask for another reason. */
  ring(): void;
  /** The agent asks: whatever rang is heard. */
  asks(): void;
  /** Resolves when something rang since the agent asked. Rejects with the signal's reason. */
  rung(signal: AbortSignal): Promise<void>;
}

/** @param closing ends what waits here. */
export function wake(
  clock: Clock,
  chance: Chance,
  settings: WakeSettings,
  closing: AbortSignal,
): Wake {
  let answer = "";
  let answeredAtMs = -Infinity;
  /** Said by the server since, and something else. */
  let news: string | undefined;
  let newsIsDue = false;
  let rings = false;
  let wakeUp = () => {};

  const ring = () => {
    rings = true;
    wakeUp();
  };
  return {
    ring,
    asks() {
      rings = false;
    },
    answered(directive) {
      answer = gist(directive);
      answeredAtMs = clock.monotonicMs();
      // News that came before this answer may be older or newer: where they differ, one more
      // question tells.
      if (news === answer) news = undefined;
    },
    pushed(directive) {
      const said = gist(directive);
      news = said === answer ? undefined : said;
      if (news === undefined || newsIsDue) return;
      newsIsDue = true;
      const restMs = answeredAtMs + settings.pushRestMs - clock.monotonicMs();
      clock.sleep(Math.max(restMs, chance.fraction() * settings.pushSpreadMs), closing).then(
        () => {
          newsIsDue = false;
          // An answer in between may have said the same.
          if (news === undefined) return;
          news = undefined;
          ring();
        },
        // Closing: nobody sleeps any more.
        () => undefined,
      );
    },
    async rung(signal) {
      if (rings) return;
      await new Promise<void>((resolve, reject) => {
        wakeUp = resolve;
        signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
      });
    },
  };
}

/** What of a directive calls for action. */
function gist({ verdict, retryRevision, standing }: Directive): string {
  const about =
    verdict.case === "offer"
      ? [verdict.value.revision, toHex(verdict.value.payloadSha256)]
      : [verdict.value?.reason];
  return [verdict.case, ...about, retryRevision, standing].join(" ");
}
