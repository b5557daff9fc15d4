import type { Fault } from "../fault.ts";

const YEAR_S = 365 * 86_400;
const TO_1970_S = -Math.floor(Date.now() / 1000);
const TO_2099_S = (2099 - new Date().getUTCFullYear()) * YEAR_S;

/** Any file that is there: the device holds its own clock for right. */
const SYNCHRONIZED = { clock: { synchronizedFile: "/run/boot-id" } };

/** The wall clock of the agent; nothing else on the device is lied to. */
export const clocks = {
  clock1970: {
    says: "the clock says 1970, as after a power cut without a battery",
    prepare: async (subject) => await subject.setWallClock(TO_1970_S),
  },
  clock2099: {
    says: "the clock says 2099 and nothing vouches for it",
    prepare: async (subject) => await subject.setWallClock(TO_2099_S),
  },
  clockStepped: {
    says: "a clock that is kept right is stepped a year ahead",
    config: { settings: SYNCHRONIZED },
    prepare: async (subject) => await subject.setWallClock(0),
    strike: async (subject) => await subject.setWallClock(YEAR_S),
  },
  expired: {
    says: "a clock that is kept right is stepped past the end of the release",
    config: { settings: SYNCHRONIZED },
    publish: ["--not-after", "30d"],
    prepare: async (subject) => await subject.setWallClock(0),
    strike: async (subject) => await subject.setWallClock(YEAR_S),
  },
} as const satisfies Record<string, Fault>;
