import type { Journal } from "./journal.ts";

/**
 * Whether, at rest, the journal knows of no attempt that changed the device: it is new, or both slots
 * were lost and nothing was changed since. A manifest that was refused, or an attempt that ended as it
 * was fetched, says nothing of what runs. Pure.
 */
export const knowsNoAttempt = ({ blank, machine }: Journal): boolean =>
  blank === true && machine.state.name === "idle";
