import { initialMachine } from "./machine.ts";
import type { Machine } from "./machine.ts";
import type { Moment } from "./moment.ts";
import type { CopyProgress } from "./ports/nix.ts";
import type { ReportedAttempt, ReportedEvent } from "./reported-event.ts";

/** What was intended. The links say what is. */
export interface Journal {
  readonly version: 1;
  /** Boot in which this was written. */
  readonly bootId: string;
  readonly machine: Machine;
  /** Set from the first journal on until the machine moves by more than a granted retry; absent: it has. */
  readonly blank?: true;
  /** When the state began. */
  readonly since: Moment;
  /** When the attempt began. */
  readonly attemptSince: Moment;
  /** What the last copy of the attempt moved. */
  readonly fetch?: CopyProgress;
  /**
   * Why the attempt under way waits or is tried again: what holds it, or what it failed by, with
   * what helps; absent: it does not.
   */
  readonly held?: string;
  /** What a reboot that is still to come waits for; absent: for nothing, or none is to come. */
  readonly rebootHold?: string;
  /** The attempt that ended last, or the manifest that was refused last. */
  readonly last?: ReportedAttempt;
  /** No attempt at the payload of the tally before this moment. */
  readonly rest?: Moment;
  /** Number of the newest event. */
  readonly eventNumber: number;
  /**
   * Events of this very write, durable with it and put into the outbox after it, and before them those
   * that the outbox had no room for, at most 32 in all.
   */
  readonly pending: readonly ReportedEvent[];
}

/** @param eventNumber number of the newest event that is known of: a lost journal counts on from it. */
export function firstJournal(now: Moment, eventNumber: number): Journal {
  return {
    version: 1,
    bootId: now.bootId,
    machine: initialMachine,
    blank: true,
    since: now,
    attemptSince: now,
    eventNumber,
    pending: [],
  };
}
