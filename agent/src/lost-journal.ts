import type { Journal } from "./journal.ts";

/** Whether nothing is known of any attempt: the device is new, or both slots of its journal are lost. Pure. */
export const knowsNoAttempt = ({ last, machine }: Journal): boolean =>
  last === undefined && machine.state.name === "idle" && machine.tally.payloadSha256 === "";
