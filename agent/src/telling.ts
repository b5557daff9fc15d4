/** What of a move is told: the events of a report, and how an attempt ended. Pure. */
import type { Event } from "./events.ts";
import type { Ending, Step } from "./machine.ts";
import type { ReportedAttempt, ReportedEvent } from "./reported-event.ts";
import type { State } from "./states.ts";
import { sentences } from "./states.ts";
import { appliedSentence } from "./waits-for-reboot.ts";

/** An event before it has its number and its moment. */
export type Draft = Pick<ReportedEvent, "state" | "message"> & {
  readonly attempt?: ReportedAttempt;
};

export function draftsOf(
  before: State,
  event: Event,
  { machine: { state } }: Step,
  ended: ReportedAttempt | undefined,
  told: (state: State, message: string) => ReportedAttempt | undefined,
): readonly Draft[] {
  const drafts: Draft[] = [];
  if (ended !== undefined)
    drafts.push({ state: ended.state, attempt: ended, message: ended.message });
  const again = ["fetchFailed", "held", "inhibited", "unrestored"].includes(event.on);
  const began =
    state.name !== before.name || again || event.on === "superseded" || event.on === "bootedNew";
  const said = event.on === "held" ? event.reason : messageOf(state);
  const attempt = told(state, "failure" in event ? event.failure.message : said);
  if (began && attempt !== undefined && state.name !== "stuck") {
    const failed = "failure" in event ? { failureCode: event.failure.code } : {};
    drafts.push({
      state: state.name,
      attempt: { ...attempt, ...failed },
      message: attempt.message,
    });
  }
  return drafts;
}

export function tellEnding(
  ending: Ending,
  told: ReportedAttempt | undefined,
  state: State,
): ReportedAttempt {
  const { attempt, outcome, failure, by, rebootRequired } = ending;
  return {
    id: attempt.id,
    channel: attempt.channel,
    revision: attempt.revision,
    storePath: attempt.storePath,
    elapsedMs: told?.elapsedMs ?? 0,
    ...(told?.fetch === undefined ? {} : { fetch: told.fetch }),
    state: state.name === "stuck" ? "stuck" : "idle",
    outcome,
    ...(failure === undefined ? {} : { failureCode: failure.code }),
    ...(by.on === "withdrawn" ? { rejectCode: by.code } : {}),
    message: failure?.message ?? (by.on === "withdrawn" ? by.message : outcomeSentence(ending)),
    rebootRequired,
  };
}

function outcomeSentence({ outcome, by, rebootRequired }: Ending): string {
  if (outcome === "superseded")
    return by.on === "superseded"
      ? `revision ${by.attempt.revision} took its place`
      : "a newer revision took its place";
  if (outcome !== "applied") return "";
  return appliedSentence(rebootRequired);
}

export function messageOf(state: State): string {
  const failure = "failure" in state ? state.failure : undefined;
  return failure?.message ?? sentences[state.name];
}
