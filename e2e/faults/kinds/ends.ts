import type { Fault } from "../fault.ts";

/** Ends of the agent and of the power. */
export const ends = {
  killed: {
    says: "SIGKILL of the agent before the work of the state",
    strike: async (subject) => await subject.killAgent(),
  },
  killedAfter: {
    says: "SIGKILL of the agent after the work of the state, of which nothing is on record",
    at: "leaving",
    strike: async (subject) => await subject.killAgent(),
  },
  powerCut: {
    says: "power cut before the work of the state",
    strike: async (subject) => await subject.cutPower(),
  },
  powerCutAfter: {
    says: "power cut after the work of the state, of which nothing is on record",
    at: "leaving",
    strike: async (subject) => await subject.cutPower(),
  },
} as const satisfies Record<string, Fault>;
