/** What the agent needs of the world. Adapters implement it; `adapters.ts` chooses them. */
import type { ListingEntry } from "@nix-ota/proto/listing";
import type { HoldReason } from "@nix-ota/proto/nixota/v1/channel_pb";
import type { Directive, Report } from "@nix-ota/proto/nixota/v1/device_pb";
import type { ReasonName } from "@nix-ota/proto/reason";

import type { Ledger } from "./byte-budget.ts";
import type { Action, RootName } from "./effects.ts";
import type { Failure } from "./failure.ts";
import type { Journal } from "./journal.ts";
import type { Rung } from "./ladder.ts";
import type { Claim } from "./own-generations.ts";
import type { Postponement } from "./postponement.ts";
import type { ReportedEvent } from "./reported-event.ts";
import type { Reply, Request } from "./request.ts";
import type { Fitness } from "./self-test.ts";
import type { ServerNote } from "./server-note.ts";
import type { Trust } from "./trust.ts";

export interface Disk {
  /** Contents; undefined when there is no file. Over the limit is an AgentError "state". */
  read(path: string, limitBytes: number): Promise<Uint8Array | undefined>;
  /** Whole old or whole new contents after a power cut; on the disk when it returns. */
  writeDurably(directory: string, name: string, bytes: Uint8Array, mode: number): Promise<void>;
  /** Names in a directory, sorted; none when it does not exist. */
  list(directory: string): Promise<readonly string[]>;
  /** No error when there is no such file. */
  remove(path: string): Promise<void>;
  /** With its parents, 0700. */
  makeDirectory(path: string): Promise<void>;
}

export interface Clock {
  /** Milliseconds since the boot, never stepped: for deadlines. */
  monotonicMs(): number;
  /** Seconds since 1970 UTC by the wall clock, which may be wrong. */
  wallS(): number;
  /** Whether something keeps the wall clock right. */
  synchronized(): Promise<boolean>;
  /** Random id of this boot. */
  bootId(): Promise<string>;
  /** Rejects with the signal's reason when it is aborted. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

export interface Chance {
  /** 0 (inclusive) to 1. */
  fraction(): number;
  /** A random UUID. */
  id(): string;
}

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

/** What people at the device ask, while another process is the agent. */
export interface RequestBox {
  /** Durable when it returns. */
  put(request: Request): Promise<void>;
  /** Those that nobody answered, at most 16. */
  pending(): Promise<readonly Request[]>;
  /** Ends a request; durable. */
  answer(id: string, reply: Reply): Promise<void>;
  /** Undefined: nobody answered yet. */
  reply(id: string): Promise<Reply | undefined>;
  /** Wakes whoever waits for something to arrive: the request may have come a moment before. */
  nudge(id: string): Promise<void>;
  /** Request and reply are no more. */
  forget(id: string): Promise<void>;
  /** Resolves when something was put or answered. Rejects with the signal's reason. */
  arrived(signal: AbortSignal): Promise<void>;
}

/** Bundles in private storage, each under the id of the request that brought it. */
export interface Bundles {
  /** Undefined: there is none. */
  read(id: string, file: BundleFile): Promise<Uint8Array | undefined>;
  /** URL of the binary cache in it. */
  cacheUrl(id: string): string;
  /**
   * Holds the place of a bundle while it is copied and until its request is durable, so that nobody
   * deletes it. Ends with the process, too.
   *
   * @throws {AgentError} kind `busy` while another is copied, `room` when the disk is full.
   */
  open(id: string): Promise<OpenBundle>;
  /** Deletes all but these; nothing while one is copied. Asks `pending` when nobody copies any more. */
  keep(pending: () => Promise<readonly string[]>): Promise<void>;
}

/** Where a bundle is copied to; empty at first. */
export interface OpenBundle {
  /** A folder that only root reaches. */
  readonly folder: string;
  /** Brings everything in it to the disk. */
  sync(signal: AbortSignal): Promise<void>;
  /** Lets go of the place; what lies there stays if somebody asks for it. */
  close(): void;
}

export type BundleFile = "manifest" | "listing";

/** Where the system's links point; store paths, empty when absent. */
export interface Links {
  running(): Promise<string>;
  booted(): Promise<string>;
  profile(): Promise<Generation>;
  /** Every generation of the system profile, ascending. */
  generations(): Promise<readonly Generation[]>;
  /** Path to the system's file, or undefined when it has none; at most 64 KiB. */
  systemFile(storePath: string, file: SystemFile): Promise<string | undefined>;
  /** Whether the system starts the unit when it boots. */
  startsUnit(storePath: string, unit: AgentUnit): Promise<boolean>;
  /** Canonical target of a part that needs a reboot to change; empty when absent. */
  part(storePath: string, part: BootPart): Promise<string>;
  /** Size of such a file; 0 when it is absent or no file. */
  partBytes(storePath: string, part: BootPart): Promise<number>;
  /** Whether the system's program is a non-empty executable file. */
  runnable(storePath: string, program: SystemProgram): Promise<boolean>;
  /** Points a GC root at a path, valid or not yet. */
  root(name: RootName, storePath: string): Promise<void>;
  unroot(name: RootName): Promise<void>;
  /** Keeps a committed system and drops the root of the one before. */
  rootCommitted(committed: CommittedRoot): Promise<void>;
  /** What the root's name and target tell when the trust file is lost. */
  committedRoots(): Promise<readonly CommittedRoot[]>;
}

/** What the agent says of generations that it makes. */
export interface Claims {
  read(): Promise<readonly Claim[]>;
  /** Durable. */
  write(claims: readonly Claim[]): Promise<void>;
}

/** A generation of the system profile; number 0 and an empty path: there is none. */
export interface Generation {
  readonly number: number;
  readonly storePath: string;
}

export interface CommittedRoot {
  readonly channel: string;
  readonly revision: number;
  readonly payloadSha256: string;
  readonly storePath: string;
}

export type SystemFile =
  | "system"
  | "init-interface-version"
  | "switch-inhibitors"
  | "kernel-params"
  | "nixos-version"
  | "etc/nix-ota/agent.json";

/** A unit of a system by which the device is kept. */
export type AgentUnit = "nix-ota-agent.service" | "nix-ota-boot.service";

/** A program of a system by which the device is kept. */
export type SystemProgram = "bin/switch-to-configuration" | "sw/bin/nix-ota-agent";

export type BootPart = "kernel" | "initrd" | "kernel-modules" | "systemd";

/** What the machine is, for the gate and for reports. */
export interface Host {
  /** e.g. `x86_64-linux`. */
  system(): string;
  describe(
    signal: AbortSignal,
  ): Promise<{ readonly hostname: string; readonly kernel: string; readonly nixVersion: string }>;
}

export interface Space {
  /** Bytes free for root on the file system that holds the path. */
  free(path: string): Promise<{ readonly freeBytes: number; readonly totalBytes: number }>;
  /** The same; undefined when there is no such path. */
  freeIfThere(
    path: string,
  ): Promise<{ readonly freeBytes: number; readonly totalBytes: number } | undefined>;
}

/** What a copy moved so far. */
export interface CopyProgress {
  readonly pathsDone: number;
  /** 0: not known yet. */
  readonly pathsTotal: number;
  /** Compressed bytes received. */
  readonly bytesDone: number;
  /** 0: not known. */
  readonly bytesTotal: number;
}

export interface Copy {
  readonly storePath: string;
  /** Validated URLs in the order to ask them. */
  readonly substituters: readonly string[];
  /** Sum of the NAR sizes that the manifest announces; 0: not announced. */
  readonly closureBytes: number;
  /** Whether the caches are on this device, so that no network is spared by taking less. */
  readonly atHand?: true;
}

/** What a closure lacks in the store. */
export interface Missing {
  readonly paths: number;
  readonly downloadBytes: number;
  readonly unpackedBytes: number;
}

export interface Nix {
  /**
   * Whether the path is registered; its references then are, too. Undefined: nix cannot tell, as
   * where its disk is full.
   */
  isValid(storePath: string, signal: AbortSignal): Promise<boolean | undefined>;
  /** What a copy would move; undefined when the caches do not say. */
  missing(copy: Copy, signal: AbortSignal): Promise<Missing | undefined>;
  /** Undefined: the path is valid. */
  copy(
    copy: Copy,
    onProgress: (progress: CopyProgress) => void,
    signal: AbortSignal,
  ): Promise<Failure | undefined>;
  /** The closure with the NAR hashes of this store's database. */
  closure(storePath: string, signal: AbortSignal): Promise<readonly ListingEntry[]>;
  /** Paths of the closure whose contents differ from the database. */
  damaged(storePath: string, signal: AbortSignal): Promise<readonly string[]>;
  /** Fetches contents again; the failure of those that stay damaged. */
  repair(
    storePaths: readonly string[],
    copy: Copy,
    signal: AbortSignal,
  ): Promise<Failure | undefined>;
  /** Deletes paths and what refers to them, where nothing keeps them. Sentence of the failure or undefined. */
  remove(storePaths: readonly string[], signal: AbortSignal): Promise<string | undefined>;
  /** Brings what was copied to the disk. */
  syncStore(signal: AbortSignal): Promise<void>;
  /** Lets the system profile name a valid path, durably. Sentence of the failure or undefined. */
  setProfile(storePath: string, signal: AbortSignal): Promise<string | undefined>;
  /** Lets it name a generation that exists, durably. */
  switchGeneration(generation: number, signal: AbortSignal): Promise<string | undefined>;
  deleteGeneration(generation: number, signal: AbortSignal): Promise<string | undefined>;
}

/** How a run of switch-to-configuration ended. */
export type ActivationResult =
  | { readonly ended: "exited"; readonly code: number; readonly tail: string }
  | { readonly ended: "timed out" }
  /** A tool of the device hung or failed before the program began: nothing was switched. */
  | { readonly ended: "not begun" }
  /** The program ended, and a tool of the device hung or failed over telling how. */
  | { readonly ended: "untold" }
  /** It is gone and left no result: it was killed, or the machine was. */
  | { readonly ended: "vanished" };

/**
 * Runs of switch-to-configuration that outlive the agent: in a session of their own (or a transient
 * unit), with their result in a file.
 */
export interface Activation {
  /**
   * Starts the run, or adopts it when one of this name runs or has ended, and waits for the result.
   * The signal ends the waiting, not the run.
   */
  run(
    name: string,
    command: { readonly storePath: string; readonly action: Action },
    signal: AbortSignal,
  ): Promise<ActivationResult>;
  /** Whether a run of this name was ever started. */
  begun(name: string): Promise<boolean>;
  /** Whether a switch holds the lock of switch-to-configuration. */
  busy(signal: AbortSignal): Promise<boolean>;
  /** Ends every run whose name begins so, and returns when they are gone. */
  end(prefix: string, signal: AbortSignal): Promise<void>;
  /** Deletes results of other attempts; undefined: of all. */
  forget(keep: string | undefined): Promise<void>;
}

/** When and by what an attempt is ended that its agent does not end. */
export interface DeadManOrder {
  readonly attemptId: string;
  /** The system to return to, whose agent goes back. */
  readonly prev: string;
  /** From this moment, on the monotonic clock. */
  readonly afterMs: number;
}

/**
 * Goes back when the agent hangs or is dead: `nix-ota-agent dead-man` of the system to return to,
 * started by the machine and not by the agent. A reboot drops it.
 */
export interface DeadMan {
  /** Arms it in place of one that is armed. Sentence of the failure or undefined. */
  arm(order: DeadManOrder, signal: AbortSignal): Promise<string | undefined>;
  /** Whether it is armed for the attempt. */
  armed(attemptId: string, signal: AbortSignal): Promise<boolean>;
  /** Drops what is armed. One that fired already is left to itself: it finds nothing to do. */
  drop(signal: AbortSignal): Promise<void>;
}

/** The boot loader, beyond what switch-to-configuration does with it. */
export interface Loader {
  /** Whether it can start an entry at the next boot alone. */
  oneShot(signal: AbortSignal): Promise<boolean>;
  /**
   * Lets the next boot, and no other, start a system that has an entry; undefined: takes that back.
   * A variable of the firmware, which is there when this returns.
   * Sentence of the failure or undefined.
   */
  bootOnce(storePath: string | undefined, signal: AbortSignal): Promise<string | undefined>;
}

export interface Power {
  /** Asks for a reboot, and returns before it comes. Sentence of the failure or undefined. */
  reboot(signal: AbortSignal): Promise<string | undefined>;
}

/** How a check of health went. */
export type HealthResult =
  | { readonly health: "passed" }
  | { readonly health: "failed" | "not run"; readonly detail: string };

export interface Health {
  /** Runs a shell command in a process group of its own, limited in time and output. */
  check(
    command: string,
    environment: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<HealthResult>;
  /** Units that failed; undefined when that cannot be told. */
  failedUnits(signal: AbortSignal): Promise<readonly string[] | undefined>;
}

/** The agents of other systems. */
export interface OtherAgents {
  /**
   * Runs the self-test of a system's own agent with that system's configuration, limited in time and
   * output.
   *
   * @returns `detail`: what it said, one bounded line; empty when it said nothing.
   */
  selfTest(
    storePath: string,
    environment: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<{ readonly fitness: Fitness; readonly detail: string }>;
}

/** What came of a call to the server. */
export type Answer<Value> =
  | { readonly got: "answer"; readonly value: Value }
  /** The server answered, authentically, but refuses or is not well: contact is proven. */
  | {
      readonly got: "refusal";
      /** Undefined: not the server's own word, but a proxy's in front of it. */
      readonly reason?: ReasonName;
      readonly message: string;
      readonly retryAfterMs: number;
    }
  /** Nobody answered, or somebody who is not the server. */
  | { readonly got: "silence"; readonly message: string };

export interface Server {
  /** Proves who the device is, and keeps nothing of it on either side: no session, no enrolment. */
  introduce(signal: AbortSignal): Promise<Answer<void>>;
  /**
   * Reports, and takes the directive that acknowledges it.
   *
   * @param report `sequence` is the adapter's to fill.
   * @param over a connection of its own proves that the way to the server is open at this moment:
   *   one that is open already may outlive the network that it was made in.
   */
  checkIn(
    report: Omit<Report, "$typeName" | "sequence">,
    over: "whatever is open" | "a connection of its own",
    signal: AbortSignal,
  ): Promise<Answer<Directive>>;
  /** Lets the server speak first, over what the configured transport allows, until the signal. */
  follow(closing: AbortSignal): Promise<void>;
  /**
   * Resolves when it is time to report before the next poll is due: the server said something else
   * than in its last answer. Never, unless it is followed. Rejects with the signal's reason.
   */
  pushed(signal: AbortSignal): Promise<void>;
  /** Numbers of reports, from `next` up to but not including `end`, that this process does not use any more. */
  spareNumbers(): { readonly next: number; readonly end: number } | undefined;
  /** How the device hears from the server at this moment. */
  rung(): Rung;
  current(
    floorRevision: number,
    signal: AbortSignal,
  ): Promise<
    Answer<
      | { readonly envelope: Uint8Array }
      | { readonly hold: keyof typeof HoldReason; readonly explanation: string }
    >
  >;
  /** A closure's listing; undefined: the server has none. Its digest is for the caller to compare. */
  listing(digest: Uint8Array, signal: AbortSignal): Promise<Answer<Uint8Array | undefined>>;
  /** Gives an envelope back to a server that lost it; whether the server keeps it. */
  giveBack(envelope: Uint8Array, signal: AbortSignal): Promise<Answer<boolean>>;
}

/** Who started the agent, and starts it anew when it dies or hangs: systemd, or nobody. */
export interface Overseer {
  /** What an earlier agent left is taken up. */
  ready(): void;
  /** What the agent does at this moment, in one sentence. */
  doing(sentence: string): void;
  /** The agent comes by here again within so many milliseconds. When it does not, it hangs. */
  comesBy(withinMs: number): void;
  /** The agent ends in order; resolves when that and everything before it was told. */
  ending(): Promise<void>;
}

/** Who would take over if this agent ended. */
export interface Succession {
  /** Whether that is another program, or the same with another configuration. */
  superseded(): Promise<boolean>;
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

/** A program that an update must not disturb. */
export interface Inhibitor {
  readonly pid: number;
  /** In its own words. */
  readonly why: string;
}

/** Keeps updates and what they must not disturb apart. Neither outlives its process. */
export interface Inhibition {
  /** Lets nobody begin to inhibit until `reopen`. False, and nothing is closed, while somebody does. */
  close(): boolean;
  reopen(): void;
  /** Who inhibits or waits to, as far as they said so. */
  inhibitors(): Promise<readonly Inhibitor[]>;
  /** Those of the files that exist, or about which that cannot be told. */
  present(files: readonly string[]): Promise<readonly string[]>;
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

/** One line for each thing worth telling; values must hold no secret. */
export interface Log {
  (
    level: "info" | "warn" | "error",
    message: string,
    facts?: Readonly<Record<string, unknown>>,
  ): void;
}

export interface Ports {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly chance: Chance;
  readonly journal: JournalStore;
  readonly trust: TrustStore;
  readonly manifests: ManifestStore;
  readonly outbox: Outbox;
  readonly serverNotes: ServerNotes;
  readonly requests: RequestBox;
  readonly bundles: Bundles;
  readonly links: Links;
  readonly claims: Claims;
  readonly host: Host;
  readonly space: Space;
  readonly nix: Nix;
  readonly activation: Activation;
  readonly deadMan: DeadMan;
  readonly loader: Loader;
  readonly power: Power;
  readonly health: Health;
  readonly otherAgents: OtherAgents;
  readonly server: Server;
  readonly overseer: Overseer;
  readonly succession: Succession;
  readonly quiet: QuietPolls;
  readonly inhibition: Inhibition;
  readonly postponements: Postponements;
  readonly ledgers: Ledgers;
  readonly log: Log;
}
