/** What the journal tells of the attempt under way and of the one that ended last. Pure. */
import type { Journal } from "./journal.ts";
import type { ReportedAttempt } from "./reported-event.ts";
import { sentences } from "./states.ts";

/** One sentence: what holds the state or what it failed by, else what it does. */
export function whatItIsAt({ machine: { state }, held, rebootHold }: Journal): string {
  if (held !== undefined) return held;
  if (state.name === "awaitingReboot" && rebootHold !== undefined)
    return `the closure is prepared and runs after a reboot; ${rebootHold}`;
  return ("failure" in state ? state.failure?.message : undefined) ?? sentences[state.name];
}

/** The attempt that ended last, with what the first boot of its kernel waits for. */
export function lastTold({ machine, last, rebootHold }: Journal): ReportedAttempt | undefined {
  const boots = machine.firstBoot?.attempt;
  if (last === undefined || boots === undefined || rebootHold === undefined) return last;
  const committed = last.outcome === "applied";
  if (!committed || last.revision !== boots.revision || last.channel !== boots.channel) return last;
  return { ...last, message: `${last.message}; ${rebootHold}` };
}
