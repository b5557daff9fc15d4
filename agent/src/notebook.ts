import type { RejectCodeName } from "@nix-ota/proto";
import { FAILURE_REMEDY, REJECT_REMEDY, withRemedy } from "@nix-ota/proto/remedy";

import { backoffMs } from "./backoff.ts";
import type { Config } from "./config.ts";
import type { Event } from "./events.ts";
import type { Journal } from "./journal.ts";
import { firstJournal } from "./journal.ts";
import { step } from "./machine.ts";
import type { Ending, Step } from "./machine.ts";
import { elapsedMs } from "./moment.ts";
import type { Moment } from "./moment.ts";
import type { CopyProgress } from "./ports/nix.ts";
import type { Ports } from "./ports/ports.ts";
import type { ReportedAttempt, ReportedEvent } from "./reported-event.ts";
import type { State } from "./states.ts";
import { draftsOf, messageOf, tellEnding } from "./telling.ts";
import type { Draft } from "./telling.ts";
import type { Trust } from "./trust.ts";
import { withFloor, withQuarantined, withoutCommitted, withoutQuarantined } from "./trust.ts";
import { onceBooted, onceLeft } from "./waits-for-reboot.ts";
import { whatItIsAt } from "./what-it-is-at.ts";
import { whereRoom } from "./where-room.ts";

/**
 * The one place where the machine moves. What a move needs to be remembered is durable before
 * anything acts on it: quarantine, then the journal with the events of the move, then the outbox.
 */
export interface Notebook {
  readonly journal: Journal;
  readonly trust: Trust;
  /** Moves the machine. False: the event means nothing in this state. */
  record(event: Event): Promise<boolean>;
  /** Lets a staged closure be inspected once more: whoever crashed may have left it half on disk. */
  inspectAnew(): void;
  /** What held the attempt is over: nobody is to read of it any more. */
  goOn(): Promise<void>;
  /**
   * What the reboot of an attempt, or of what it committed, waits for, as a sentence; undefined: for
   * nothing. Not an event: the next report has it.
   */
  setRebootHold(reason: string | undefined): Promise<void>;
  /**
   * The device was rebooted into this system: where that was applied last, it waits for a reboot no
   * more, unless its first boot is still to be judged.
   */
  forgetReboot(booted: string): Promise<void>;
  /** Whether the server answers, for an attempt whose reboot, which nobody announces, is still to come. */
  setInContact(inContact: boolean): Promise<void>;
  /** Makes a changed trust record durable. */
  setTrust(trust: Trust): Promise<void>;
  /** Has the outbox take the events that it had no room for. */
  putEvents(): Promise<void>;
  /** Whether something happened that the server has not acknowledged, after `putEvents`. */
  hasUntold(): Promise<boolean>;
  /** What the copies of the attempt have moved. */
  readonly progress: CopyProgress | undefined;
  /** Changes it; durable with the next move. */
  setProgress(progress: CopyProgress): void;
  /** The attempt under way as a report tells it. */
  attempt(): ReportedAttempt | undefined;
  /** Remembers a refused manifest and reports it, once. The sentence that is told: cause and remedy. */
  reject(refused: ReportedAttempt & { readonly rejectCode: RejectCodeName }): Promise<string>;
  now(): Moment;
}

type Needs = Pick<Ports, "journal" | "trust" | "outbox" | "clock" | "chance" | "log">;

export async function openNotebook(ports: Needs, config: Config): Promise<Notebook> {
  const bootId = await ports.clock.bootId();
  const now = (): Moment => ({ bootId, ms: ports.clock.monotonicMs() });
  // An outbox that cannot be read is no reason not to go back: a journal that is whole has counted as well.
  let newest = 0;
  await whereRoom(ports.log, async () => {
    newest = await ports.outbox.newest();
  });
  const stored = (await ports.journal.read()) ?? firstJournal(now(), newest);
  // An older journal, where the newest is unreadable, knows less than was told: the outbox would
  // take what comes next for something that the server has.
  let journal = { ...stored, eventNumber: Math.max(stored.eventNumber, newest) };
  const kept = await ports.trust.recover();
  let trust = withFloorOf(journal.machine.state, kept);
  // At once: the attempt may end without a word in that record, and then nothing tells of its floor.
  if (trust !== kept) await ports.trust.write(trust);
  let progress = journal.fetch;
  /** Events that the outbox has still to take; the journal has them until it did. */
  let unput: readonly ReportedEvent[] = journal.pending;
  let putting: Promise<unknown> = Promise.resolve();
  const putEvents = async () => {
    // A copy's move and the poll beside it may both have events to put: one after the other.
    const put = putting.then(
      async () =>
        await whereRoom(ports.log, async () => {
          for (const event of unput) {
            await ports.outbox.put(event);
            unput = unput.filter((one) => one !== event);
          }
        }),
    );
    putting = put.catch(() => undefined);
    await put;
  };
  // A crash may have come between journal and outbox. An event that was put already stays single.
  await putEvents();

  const write = async (next: Journal) => {
    const whole = { ...next, pending: worthKeeping([...unput, ...next.pending]) };
    await ports.journal.write(whole);
    journal = whole;
    unput = whole.pending;
    await putEvents();
  };

  /** What cannot be written now the next move writes. */
  const note = async (next: Journal) => {
    if (!(await whereRoom(ports.log, async () => await write(next)))) journal = next;
  };

  const saveTrust = async (next: Trust) => {
    await ports.trust.write(next);
    trust = next;
  };

  const numbered = (drafts: readonly Draft[]): readonly ReportedEvent[] =>
    drafts.map((draft, index) => ({
      ...draft,
      id: ports.chance.id(),
      number: journal.eventNumber + 1 + index,
      occurredAtS: ports.clock.wallS(),
    }));

  const told = (state: State, message: string): ReportedAttempt | undefined =>
    "attempt" in state
      ? {
          id: state.attempt.id,
          channel: state.attempt.channel,
          revision: state.attempt.revision,
          storePath: state.attempt.storePath,
          state: state.name,
          message,
          rebootRequired: "plan" in state && state.plan?.rebootRequired === true,
          elapsedMs: elapsedMs(journal.attemptSince, now()),
          ...(progress === undefined ? {} : { fetch: progress }),
        }
      : undefined;

  return {
    get journal() {
      return journal;
    },
    get trust() {
      return trust;
    },
    now,
    attempt: () => told(journal.machine.state, whatItIsAt(journal)),
    inspectAnew() {
      const { machine } = journal;
      const { state } = machine;
      if (state.name === "staged")
        journal = { ...journal, machine: { ...machine, state: { ...state, plan: undefined } } };
    },
    async goOn() {
      if (journal.held === undefined) return;
      const { held: _, ...rest } = journal;
      await write({ ...rest, pending: [] });
    },
    async setRebootHold(reason) {
      // A window that is weeks away is written once.
      if (reason === journal.rebootHold) return;
      const { rebootHold: _, ...rest } = journal;
      const rebootHold = reason === undefined ? {} : { rebootHold: reason };
      await note({ ...rest, ...rebootHold, pending: [] });
    },
    async forgetReboot(booted) {
      const { last, machine } = journal;
      if (last?.storePath !== booted || machine.firstBoot !== undefined) return;
      const told = onceBooted(last);
      if (told !== last) await note({ ...journal, last: told, pending: [] });
    },
    async setInContact(inContact) {
      const { state, firstBoot } = journal.machine;
      const waits = state.name === "awaitingReboot" ? state : firstBoot;
      if (waits === undefined || waits.prev.inContact === inContact) return;
      const machine = {
        ...journal.machine,
        ...(state.name === "awaitingReboot"
          ? { state: { ...state, prev: { ...state.prev, inContact } } }
          : {}),
        ...(firstBoot === undefined
          ? {}
          : { firstBoot: { ...firstBoot, prev: { ...firstBoot.prev, inContact } } }),
      };
      await write({ ...journal, machine, pending: [] });
    },
    get progress() {
      return progress;
    },
    setProgress(moved) {
      progress = moved;
    },
    setTrust: saveTrust,
    putEvents,
    async hasUntold() {
      await putEvents();
      let untold = unput.length > 0;
      await whereRoom(ports.log, async () => {
        untold ||= (await ports.outbox.oldest(1)).length > 0;
      });
      return untold;
    },
    async reject({ message, ...bare }) {
      const refused = { ...bare, message: withRemedy(message, REJECT_REMEDY[bare.rejectCode]) };
      // One report for one envelope, however often it is offered.
      if (journal.last?.id === refused.id) return refused.message;
      if (endedBy(journal.last, refused)) return refused.message;
      const pending = numbered([{ state: "idle", attempt: refused, message: refused.message }]);
      await write({
        ...journal,
        bootId,
        last: refused,
        pending,
        eventNumber: journal.eventNumber + pending.length,
      });
      return refused.message;
    },
    async record(happened) {
      const event = helpful(happened);
      const before = journal.machine.state;
      const moved = step(journal.machine, event);
      if (moved === undefined) {
        ports.log("warn", `ignored ${event.on} while ${before.name}`);
        return false;
      }
      // The same hold again is no news: a device may wait for days, and its disk is worn by writes.
      if (event.on === "held" && event.reason === journal.held) return true;
      if (moved.ending?.quarantine === true)
        await saveTrust(quarantined(trust, before, moved.ending));
      const back = moved.ending === undefined ? trust : uncommitted(trust, before, moved.ending);
      if (back !== trust) await saveTrust(back);

      const { state } = moved.machine;
      const ended =
        moved.ending === undefined ? undefined : tellEnding(moved.ending, told(before, ""), state);
      const begins = "attempt" in event;
      if (begins) progress = undefined;
      const pending = numbered(draftsOf(before, event, moved, ended, told));
      const { fetch: _, held: __, rebootHold: ___, blank, ...kept } = journal;
      await write({
        ...kept,
        // A retry brings back what may have failed here, which then has to prove itself.
        ...(event.on === "retryAsked" && blank === true ? { blank } : {}),
        bootId,
        machine: moved.machine,
        since: now(),
        attemptSince: begins ? now() : journal.attemptSince,
        ...(progress === undefined ? {} : { fetch: progress }),
        ...(ended === undefined
          ? { ...heldAfter(event, before, journal.held), ...lastAfter(event, journal) }
          : { last: ended }),
        ...restOf(moved, now(), config, ports.chance.fraction()),
        eventNumber: journal.eventNumber + pending.length,
        pending,
      });
      // After the journal, or a crash would let it in without counting that.
      if (event.on === "retryAsked")
        await saveTrust(withoutQuarantined(trust, config.channel, event.revision));
      const facts = ended ?? told(state, messageOf(state)) ?? {};
      ports.log(
        ended?.failureCode === undefined ? "info" : "warn",
        `${before.name} → ${state.name}`,
        { by: event.on, ...facts },
      );
      return true;
    },
  };
}

/** Most events that wait in the journal for the outbox: the slots of the journal have an end. */
const UNPUT_LIMIT = 32;

/** The newest, and those before them that ended an attempt. */
function worthKeeping(events: readonly ReportedEvent[]): readonly ReportedEvent[] {
  let excess = events.length - UNPUT_LIMIT;
  if (excess <= 0) return events;
  const kept = events.filter((event) => event.attempt?.outcome !== undefined || (excess -= 1) < 0);
  return kept.slice(-UNPUT_LIMIT);
}

/**
 * What holds the attempt, or what its try failed by. A restart inspects the closure once more, and
 * waits for the same as before until it knows better.
 */
function heldAfter(event: Event, { name }: State, held: string | undefined): { held?: string } {
  if (event.on === "held") return { held: event.reason };
  if ("failure" in event) return { held: event.failure.message };
  return event.on === "inspected" && name === "staged" && held !== undefined ? { held } : {};
}

/** Where another system was booted, what was applied last waits for no reboot any more. */
function lastAfter(event: Event, { last }: Journal): { last?: ReportedAttempt } {
  return event.on === "bootedThird" && last !== undefined ? { last: onceLeft(last) } : {};
}

/** An attempt began only after its floor was durable, so it tells of a floor that was lost since. */
function withFloorOf(state: State, trust: Trust): Trust {
  if (!("attempt" in state)) return trust;
  const { channel, revision, payloadSha256 } = state.attempt;
  const known = trust.channels[channel];
  if (known !== undefined && known.floor.revision >= revision) return trust;
  return withFloor(trust, channel, { revision, payloadSha256 }, 0);
}

/** Whether the attempt that ended last ended by this refusal: the offer that goes on is no news. */
function endedBy(last: ReportedAttempt | undefined, refused: ReportedAttempt): boolean {
  return (
    last !== undefined &&
    last.storePath !== "" &&
    last.rejectCode === refused.rejectCode &&
    last.channel === refused.channel &&
    last.revision === refused.revision
  );
}

/** Whatever is told of a failure names its remedy, also where the cause came from elsewhere. */
function helpful(event: Event): Event {
  if (event.on === "withdrawn")
    return { ...event, message: withRemedy(event.message, REJECT_REMEDY[event.code]) };
  if (!("failure" in event)) return event;
  const { code, message } = event.failure;
  return { ...event, failure: { code, message: withRemedy(message, FAILURE_REMEDY[code]) } };
}

/** What led to a return is what failed, also where the return failed as well. */
function quarantined(trust: Trust, before: State, { attempt, failure: last }: Ending): Trust {
  const failure = (before.name === "rollingBack" ? before.failure : undefined) ?? last;
  const { channel, revision, payloadSha256, storePath } = attempt;
  return withQuarantined(trust, {
    channel,
    revision,
    payloadSha256,
    storePath,
    failure: failure?.code ?? "TOOL_FAILED",
  });
}

/** A committed closure that went back is committed no more: its first boot, or a person, took it back. */
function uncommitted(trust: Trust, before: State, { attempt, outcome }: Ending): Trust {
  if (outcome === "applied" || before.name !== "rollingBack") return trust;
  const { channel, payloadSha256 } = attempt;
  return withoutCommitted(trust, channel, payloadSha256, before.prev.committed);
}

/** When the next try may begin: of the copy, of the return, or of the revision. */
function restOf(
  { machine: { state, tally }, ending }: Step,
  now: Moment,
  { settings: { fetch, attempts, rollback } }: Config,
  fraction: number,
): { readonly rest: Moment } {
  const waitMs = () => {
    if (state.name === "fetching" && state.tries > 0) {
      return backoffMs(state.tries - 1, fetch.retryFirstMs, fetch.retryMaxMs, fraction);
    }
    if (state.name === "rollingBack" && state.tries > 0) return rollback.retryMs;
    const waits = state.name === "idle" || state.name === "stuck";
    if (ending !== undefined && waits && tally.ends > 0) {
      return backoffMs(tally.ends - 1, attempts.retryFirstMs, attempts.retryMaxMs, fraction);
    }
    return 0;
  };
  return { rest: { ...now, ms: now.ms + waitMs() } };
}
