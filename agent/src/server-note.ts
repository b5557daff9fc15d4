/** What the last report came to, for `status`, which asks no server. Pure. */
import type { ReasonName } from "@nix-ota/proto/reason";

import type { Rung } from "./ladder.ts";
import type { Answer } from "./ports.ts";
import { remedyFor } from "./refusal.ts";

export interface ServerNote {
  readonly got: Answer<unknown>["got"];
  readonly reason?: ReasonName;
  /** Empty for an answer. */
  readonly message: string;
  /** How the device hears from the server. */
  readonly rung: Rung;
  /** Since when, seconds since 1970 UTC by the device's clock. */
  readonly sinceS: number;
}

export function serverNote(answer: Answer<unknown>, rung: Rung, nowS: number): ServerNote {
  return {
    got: answer.got,
    ...(answer.got === "refusal" && answer.reason !== undefined ? { reason: answer.reason } : {}),
    message: answer.got === "answer" ? "" : answer.message,
    rung,
    sinceS: nowS,
  };
}

/** Whether two notes tell the same. The words of a failure vary from one time to the next. */
export function tellsTheSame(one: ServerNote, other: ServerNote): boolean {
  return one.got === other.got && one.reason === other.reason && one.rung === other.rung;
}

const heard: Readonly<Record<Rung, string>> = {
  stream: "heard over a stream",
  watch: "heard over a watch",
  poll: "asked by polls",
};

/** One sentence for a person at the device. */
export function serverSentence(note: ServerNote | undefined, deviceId: string): string {
  if (note === undefined) return "not asked yet";
  const since = `since ${new Date(note.sinceS * 1000).toISOString().slice(0, 19)}Z`;
  switch (note.got) {
    case "answer":
      return `answers, ${heard[note.rung]}, ${since}`;
    case "refusal": {
      const remedy = remedyFor(note.reason, deviceId);
      return `refuses ${since}: ${remedy === undefined ? note.message : `${note.reason}: ${remedy}`}`;
    }
    case "silence":
      return `does not answer ${since}: ${note.message}`;
  }
}
