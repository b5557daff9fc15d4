/** What the agent keeps on the disk. */
import type { Directive, Report } from "@nix-ota/proto/nixota/v1/device_pb";

import type { Ledger } from "../byte-budget.ts";
import type { Journal } from "../journal.ts";
import type { Claim } from "../own-generations.ts";
import type { Postponement } from "../postponement.ts";
import type { ReportedEvent } from "../reported-event.ts";
import type { ServerNote } from "../server-note.ts";
import type { Trust } from "../trust.ts";

/** The durable state of the machine. Written before anything it announces is done. */
export interface JournalStore {
  read(): Promise<Journal | undefined>;
  /** Once something on the device is changed, also where the file system is full. */
  write(journal: Journal): Promise<void>;
  /** Sees to it that there is room for that; no error where there is none any more. */
  keepRoom(): Promise<void>;
}

/** Floors, commits and quarantine: what must never be forgotten. */
export interface TrustStore {
  read(): Promise<Trust>;
  /** The same for whoever may write: what had to be put together anew is durable when it returns. */
  recover(): Promise<Trust>;
  write(trust: Trust): Promise<void>;
}

/** Verified envelopes by the sha256 of their payload, in hexadecimal. */
export interface ManifestStore {
  read(payloadSha256: string): Promise<Uint8Array | undefined>;
  write(payloadSha256: string, envelope: Uint8Array): Promise<void>;
  /** Deletes all but these. */
  keep(payloadSha256s: readonly string[]): Promise<void>;
}

/** Events that no server has acknowledged. Never drives the machine. */
export interface Outbox {
  /** Durable; an event that is or was there already is not put twice. */
  put(event: ReportedEvent): Promise<void>;
  /** The oldest, in order, at most so many. */
  oldest(limit: number): Promise<readonly ReportedEvent[]>;
  drop(ids: readonly string[]): Promise<void>;
  /** Number of the newest event that it holds or that was acknowledged; 0: there was none. */
  newest(): Promise<number>;
}

/** What the last report came to, for `status`. Never drives the machine. */
export interface ServerNotes {
  read(): Promise<ServerNote | undefined>;
  write(note: ServerNote): Promise<void>;
}

/** What the agent says of generations that it makes. */
export interface Claims {
  read(): Promise<readonly Claim[]>;
  /** Durable. */
  write(claims: readonly Claim[]): Promise<void>;
}

/** What was downloaded in the period under way. */
export interface Ledgers {
  read(): Promise<Ledger | undefined>;
  /** Durable. */
  write(ledger: Ledger): Promise<void>;
}

/** What a person asked for at the device. The command writes it beside an agent that runs. */
export interface Postponements {
  read(): Promise<Postponement | undefined>;
  /** One in place of another, undefined being none. False, and no change, when that is not there any more. */
  replace(old: Postponement | undefined, next: Postponement | undefined): Promise<boolean>;
}

/** What lets `once` poll without the whole agent while nothing changes. Never drives the machine. */
export interface QuietPolls {
  /** Before anything is done: from here on the records change. */
  forget(): Promise<void>;
  /** After a poll that found nothing to do, with the report that tells the same again. */
  remember(poll: {
    readonly report: Report;
    readonly directive: Directive;
    readonly reason: string;
  }): Promise<void>;
}
