import type { Journal } from "./journal.ts";
import { sentences } from "./states.ts";
import { whatItIsAt } from "./what-it-is-at.ts";

/** What the agent does, in one sentence for whoever asks the service manager. Pure. */
export function doing(journal: Journal): string {
  const { machine, last } = journal;
  const { state } = machine;
  if (state.name === "stuck") return `stuck: ${state.failure.message}`;
  if ("attempt" in state) return `revision ${state.attempt.revision}: ${whatItIsAt(journal)}`;
  if (last === undefined) return sentences[state.name];
  const message = last.message === "" ? "" : `: ${last.message}`;
  return `${sentences[state.name]}; revision ${last.revision} ${(last.outcome ?? "ended").replaceAll("_", " ")}${message}`;
}
