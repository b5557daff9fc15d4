import type { Event } from "../events.ts";

/** Somebody else switched. It is their device, too: nothing is fought and nothing rolled back. */
export const switchedByOthers = (running: string): Event => ({
  on: "linksChanged",
  failure: {
    code: "LINKS_CHANGED",
    message: `${running === "" ? "no system" : running} runs, which this agent did not activate, so somebody else switched meanwhile`,
  },
});
