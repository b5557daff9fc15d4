import type { Step } from "./effect-result.ts";
import { switchedByOthers } from "./switched-by-others.ts";

/** A person reboots; until then there is nothing to do. Another system that runs ends the wait. */
export const awaitReboot: Step<"awaitReboot"> = async ({ ports }, { prev }) => {
  const running = await ports.links.running();
  if (running === prev.running) return "rest";
  return switchedByOthers(running);
};
