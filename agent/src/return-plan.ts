import type { Plan } from "./attempt.ts";
import type { Moment } from "./moment.ts";

/** The plan of an attempt that begins with its return: it activates nothing, so nothing was inspected. */
export const returnPlan = (inspected: Moment): Plan => ({
  order: "switch",
  rebootRequired: false,
  oneShot: false,
  healthCmd: "",
  healthyBefore: true,
  inspected,
});
