/** What the last report came to, for `status`, which asks no server. Pure. */
import { holdReasonName, type HoldReasonName } from "@nix-ota/proto/hold-reason";
import type { Directive } from "@nix-ota/proto/nixota/v1/device_pb";
import type { ReasonName } from "@nix-ota/proto/reason";

import type { Rung } from "./ladder.ts";
import type { Answer } from "./ports/server.ts";
import { remedyFor } from "./refusal.ts";

export interface ServerNote {
  readonly got: Answer<unknown>["got"];
  readonly reason?: ReasonName;
  /** Empty for an answer. */
  readonly message: string;
  /** What it said of the offer, for an answer. */
  readonly verdict?: Verdict;
  /** How the device hears from the server. */
  readonly rung: Rung;
  /** Since when, seconds since 1970 UTC by the device's clock. */
  readonly sinceS: number;
}

/** What the server offers, or why it offers nothing. */
export type Verdict =
  | { readonly says: "hold"; readonly reason: HoldReasonName; readonly explanation: string }
  | { readonly says: "offer"; readonly revision: number; readonly channel: string };

function verdictOf({ verdict }: Directive): Verdict | undefined {
  if (verdict.case === "offer") {
    const { revision, channel } = verdict.value;
    return { says: "offer", revision: Number(revision), channel };
  }
  if (verdict.case !== "hold") return undefined;
  const { reason, explanation } = verdict.value;
  return { says: "hold", reason: holdReasonName(reason), explanation };
}

export function serverNote(answer: Answer<Directive>, rung: Rung, nowS: number): ServerNote {
  const verdict = answer.got === "answer" ? verdictOf(answer.value) : undefined;
  return {
    got: answer.got,
    ...(answer.got === "refusal" && answer.reason !== undefined ? { reason: answer.reason } : {}),
    message: answer.got === "answer" ? "" : answer.message,
    ...(verdict === undefined ? {} : { verdict }),
    rung,
    sinceS: nowS,
  };
}

/** Whether two notes tell the same. The words of a failure vary from one time to the next. */
export function tellsTheSame(one: ServerNote, other: ServerNote): boolean {
  return (
    one.got === other.got &&
    one.reason === other.reason &&
    one.rung === other.rung &&
    JSON.stringify(one.verdict) === JSON.stringify(other.verdict)
  );
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
