import type { Journal } from "./journal.ts";
import { sentences } from "./states.ts";

/** What the agent does, in one sentence for whoever asks the service manager. Pure. */
export function doing({ machine: { state }, held, last }: Journal): string {
  if (state.name === "stuck") return `stuck: ${state.failure.message}`;
  if ("attempt" in state)
    return `revision ${state.attempt.revision}: ${held ?? sentences[state.name]}`;
  if (last === undefined) return sentences[state.name];
  const message = last.message === "" ? "" : `: ${last.message}`;
  return `${sentences[state.name]}; revision ${last.revision} ${(last.outcome ?? "ended").replaceAll("_", " ")}${message}`;
}
