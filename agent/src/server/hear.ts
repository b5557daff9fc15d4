import type { Directive } from "@nix-ota/proto/nixota/v1/device_pb";

import type { Ending } from "../ladder.ts";
import type { Clock } from "../ports/clock.ts";
import { causeOf } from "./answer.ts";
import { endingOf } from "./ending.ts";

export interface HearingSettings {
  /** From the opening to the first word. */
  readonly firstWordMs: number;
  /** Between two words; the server says one every 15 s. */
  readonly silenceMs: number;
}

/** How a held connection ended. */
export interface End {
  readonly ending: Exclude<Ending, "unreachable">;
  /** From the first word to the end, milliseconds; 0: not a word was heard. */
  readonly livedMs: number;
  /** Least wait that the server asked for, milliseconds. */
  readonly retryAfterMs: number;
  /** The error, undefined where there was none. */
  readonly cause: unknown;
  /** For the log. */
  readonly why: string;
}

/** A connection over which the server speaks by itself. */
export interface Held {
  /** Never rejects. */
  readonly ended: Promise<End>;
  close(): void;
}

/**
 * Hears the server out: every directive is passed on, a heartbeat is a word like any other.
 *
 * @param giveUp ends the call when nothing is heard in time.
 */
export async function hear(
  words: AsyncIterable<{ readonly directive?: Directive | undefined }>,
  onDirective: (directive: Directive) => void,
  settings: HearingSettings,
  clock: Clock,
  giveUp: AbortController,
): Promise<End> {
  let heardAtMs: number | undefined;
  const end = (ending: End["ending"], why: string, retryAfterMs = 0, cause?: unknown): End => ({
    ending,
    retryAfterMs,
    cause,
    why: why.slice(0, 300),
    livedMs: heardAtMs === undefined ? 0 : Math.max(1, clock.monotonicMs() - heardAtMs),
  });

  const iterator = words[Symbol.asyncIterator]();
  for (;;) {
    const word = iterator.next();
    const limitMs = heardAtMs === undefined ? settings.firstWordMs : settings.silenceMs;
    try {
      const next = await within(word, limitMs, clock);
      if (next === "nothing") {
        giveUp.abort();
        // It ends by the abort, which is no news.
        word.catch(() => undefined);
        return end(heardAtMs === undefined ? "mute" : "broken", `no word in ${limitMs} ms`);
      }
      if (next.done === true) return end("broken", "it ended without a reason");
      heardAtMs ??= clock.monotonicMs();
      if (next.value.directive !== undefined) onDirective(next.value.directive);
    } catch (cause) {
      const { how, retryAfterMs } = endingOf(cause);
      return end(how, causeOf(cause), retryAfterMs, cause);
    }
  }
}

async function within<Value>(
  value: Promise<Value>,
  limitMs: number,
  clock: Clock,
): Promise<Value | "nothing"> {
  const over = new AbortController();
  const limit = clock.sleep(limitMs, over.signal).then(() => "nothing" as const);
  try {
    return await Promise.race([value, limit]);
  } finally {
    over.abort();
  }
}
