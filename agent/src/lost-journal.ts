import type { Journal } from "./journal.ts";

/**
 * Whether nothing is known of any attempt: the device is new, or both slots of its journal are lost.
 * A manifest that was refused was no attempt. Pure.
 */
export const knowsNoAttempt = ({ last, machine }: Journal): boolean =>
  (last === undefined || last.storePath === "") &&
  machine.state.name === "idle" &&
  machine.tally.payloadSha256 === "";
