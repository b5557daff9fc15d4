import type { Attempt, Plan, WayBack } from "./attempt.ts";
import type { BootEntries, Effect } from "./effects.ts";
import { entriesFor, work } from "./effects.ts";
import type { Event, EventName } from "./events.ts";
import { failureTraits } from "./failure.ts";
import type { Failure, FailureCodeName } from "./failure.ts";
import { firstBootCourse } from "./first-boot.ts";
import { firstWayBack } from "./first-way-back.ts";
import { initialMachine, resumption, step } from "./machine.ts";
import type { Ending, Machine } from "./machine.ts";
import { unreachable } from "./unreachable.ts";

const FACTORY = "/nix/store/factory";

/** Every fourth revision brings another kernel. */
const kernelOf = (storePath: string) => (/r\d*[13]$/.test(storePath) ? 1 : 0);

const CODES = Object.keys(failureTraits) as FailureCodeName[];

/** Chooses what happens next: 0 is the good way. */
export interface Luck {
  pick(options: number): number;
}

/**
 * A device without a device: links, boot loader, trust record and journal as plain values, changed
 * by effects in the order in which the real ones change theirs. A crash forgets all but these.
 */
export class World {
  running = FACTORY;
  booted = FACTORY;
  profile = FACTORY;
  /** The boot loader's default, and what it starts at the next boot alone; empty: the default. */
  bootDefault = FACTORY;
  once = "";
  bootId = 0;
  /** Paths that a collection has left, and what keeps them beside the links. */
  readonly store = new Set([FACTORY]);
  readonly roots = new Map<string, string>();
  journal: Machine = initialMachine;
  /** Whether the journal was lost, and nobody has looked around since. */
  lost = false;
  /** Payload, system and attempt of the trust record, and the system from before it. */
  committed = "";
  committedPath = "";
  committedBy = "";
  before = FACTORY;
  readonly #oneShot: boolean;
  /** Attempts begun when somebody else switched while one was under way that had a way back. */
  interferedAfter = -1;
  byHand = "";
  revision = 0;
  /** Payloads, each with the system that failed. */
  readonly quarantine = new Map<string, string>();
  /** What happened, for the message of a failed property. */
  readonly history: string[] = [];
  readonly endings: Ending[] = [];
  /** Names of the events that moved the machine. */
  readonly events = new Set<EventName>();
  readonly proven = new Set<string>();
  /** What the boot loader would start when the way back was recorded, always and once. */
  bootsBefore: readonly string[] = [];
  /** The system that the last attempt with a way back ended on. */
  home = FACTORY;
  /** Attempts whose trust record was written. */
  readonly recorded = new Set<string>();
  /** Attempts that were committed while something else ran. */
  readonly committedUnseen = new Set<string>();
  /** Attempts at what ran already, which need no proof. */
  readonly adopted = new Set<string>();
  readonly begun: Attempt[] = [];
  readonly activations = new Map<string, number>();
  readonly #luck: Luck;

  constructor(luck: Luck) {
    this.#luck = luck;
    this.#oneShot = luck.pick(2) === 0;
  }

  get now() {
    const { booted, running } = this;
    return { bootId: `${this.bootId}`, booted, running };
  }

  /** What the next boot starts, if it succeeds. */
  get boots(): string {
    return this.once === "" ? this.bootDefault : this.once;
  }

  /** An event, its records and the journal, in the order of the notebook. */
  record(event: Event): void {
    const before = this.journal.state;
    const moved = step(this.journal, event);
    if (moved === undefined) return;
    this.events.add(event.on);
    if (moved.ending?.quarantine === true)
      this.quarantine.set(moved.ending.attempt.payloadSha256, moved.ending.attempt.storePath);
    if (moved.ending !== undefined) this.endings.push(moved.ending);
    if (moved.ending?.outcome === "applied") this.home = moved.ending.attempt.storePath;
    if (moved.ending !== undefined && before.name === "rollingBack" && event.on === "restored") {
      this.home = before.reach === "profile" ? before.prev.profile : before.prev.running;
      // The notebook takes back a commit that did not hold.
      if (this.committed === before.attempt.payloadSha256) {
        this.committed = before.prev.committed?.payloadSha256 ?? "";
        this.committedPath = before.prev.committed?.storePath ?? "";
      }
    }
    this.journal = moved.machine;
    if (event.on === "retryAsked") this.quarantine.clear();
    this.lost = false;
    const { state } = this.journal;
    this.history.push(
      `${before.name} ${event.on} ${state.name}; ${this.running} ${this.profile} ${this.bootDefault}`,
    );
    if (state.name === "activating" && before.name !== "activating") {
      const { payloadSha256 } = state.attempt;
      this.activations.set(payloadSha256, (this.activations.get(payloadSha256) ?? 0) + 1);
    }
    if (event.on === "restored" && !event.inContact && before.name === "rollingBack") {
      const { failure, attempt } = before;
      const count = this.activations.get(attempt.payloadSha256) ?? 0;
      if (failure?.code === "CONTACT_LOST") this.activations.set(attempt.payloadSha256, count - 1);
    }
  }

  /** The server offers the newest manifest once more, or a newer one. */
  offer(newer: boolean): void {
    // Who waits looks around before it asks.
    const { state: before } = this.journal;
    if (before.name === "idle" || before.name === "stuck") {
      const { bootId } = this;
      if (!this.work()) return this.start();
      // Whoever reboots asks nothing any more.
      if (this.bootId !== bootId) return;
    }
    if (newer || this.revision === 0) this.revision += 1;
    const payloadSha256 = `payload ${this.revision}`;
    const { state } = this.journal;
    const under = "attempt" in state && state.name !== "stuck" ? state.attempt.payloadSha256 : "";
    if (
      this.quarantine.has(payloadSha256) ||
      this.committed === payloadSha256 ||
      under === payloadSha256
    )
      return;
    const attempt: Attempt = {
      id: `attempt ${this.begun.length}`,
      channel: "prod",
      revision: this.revision,
      payloadSha256,
      // Every third revision goes back to the factory's system.
      storePath: this.revision % 3 === 0 ? "/nix/store/factory" : `/nix/store/r${this.revision}`,
    };
    this.begun.push(attempt);
    if (state.name !== "idle" && state.name !== "stuck")
      return this.record({ on: "superseded", attempt });
    if (this.running !== attempt.storePath) return this.record({ on: "accepted", attempt });
    const adopt = this.#plan("adopt", this.running);
    if (state.name === "stuck" && state.attempt.storePath === this.running)
      return this.record({ on: "unprovenRuns", attempt, plan: adopt, prev: state.prev });
    if (this.running !== this.profile) {
      const { profile } = this;
      this.roots.set("prev", profile);
      const prev = { ...this.#wayBack(), running: profile, profile };
      return this.record({ on: "unprovenRuns", attempt, plan: adopt, prev });
    }
    this.adopted.add(attempt.id);
    this.roots.set("prev", this.running);
    return this.record({ on: "adopted", attempt, plan: adopt, prev: this.#wayBack() });
  }

  /** The effects of the state. False: a crash came between two of them. */
  work(): boolean {
    for (const effect of work(this.journal)) {
      if (this.#luck.pick(12) === 11) return false;
      const event = this.#execute(effect);
      if (event === "rest") return true;
      if (event !== undefined) {
        // A crash between what was done and its record.
        if (this.#luck.pick(12) === 11) return false;
        this.record(event);
        return true;
      }
    }
    return true;
  }

  start(): void {
    this.#resume("sameBoot");
  }

  reboot(): void {
    // A kernel that never reaches user space: somebody, or a watchdog, switches off and on again.
    const fails = this.once !== "" && this.#luck.pick(4) === 3;
    this.running = this.booted = fails ? this.bootDefault : this.boots;
    this.once = "";
    this.bootId += 1;
    this.history.push(`reboot into ${this.running}`);
    this.#resume("afterReboot");
  }

  /** A collection of garbage, generations of the profile as well. */
  collect(): void {
    const kept = new Set([this.running, this.booted, this.profile, ...this.roots.values()]);
    for (const path of this.store) if (!kept.has(path)) this.store.delete(path);
  }

  /** The dead-man fires: it takes the journal up as a start does, then goes back. */
  overdue(): void {
    this.start();
    this.record({ on: "overdue", failure: { code: "OVERDUE", message: "nobody finished" } });
  }

  /**
   * Both slots of the journal of a device decay that is stuck and runs what failed, which it has in
   * quarantine. What is not in quarantine is offered again and proves itself.
   */
  decay(): void {
    const { state, firstBoot } = this.journal;
    if (state.name !== "stuck" || firstBoot !== undefined || !this.roots.has("return")) return;
    if (this.running === state.attempt.storePath && this.#failed !== undefined) {
      this.history.push("the journal of a stuck device is lost");
      this.journal = initialMachine;
      this.lost = true;
    }
  }

  /** The payload in quarantine that runs. */
  get #failed(): string | undefined {
    const { running, committed } = this;
    const found = [...this.quarantine].find(([, storePath]) => storePath === running)?.[0];
    return found === committed ? undefined : found;
  }

  #leaveQuarantined(): Event | undefined {
    const failed = this.#failed;
    const to = this.roots.get("return");
    if (!this.lost || failed === undefined || to === undefined || to === this.running)
      return undefined;
    const attempt: Attempt = {
      id: `attempt ${this.begun.length}`,
      channel: "prod",
      revision: this.revision,
      payloadSha256: failed,
      storePath: this.running,
    };
    this.begun.push(attempt);
    const plan = { ...this.#plan("switch", to), rebootRequired: false, oneShot: false };
    this.roots.set("prev", to);
    const profile = this.profile === this.running ? to : this.profile;
    const prev = { ...this.#wayBack(), running: to, profile };
    return { on: "quarantinedRuns", attempt, plan, prev, failure: this.#failure() };
  }

  /** A person leaves what waits for its reboot, or what is committed. */
  leave(): void {
    const { state } = this.journal;
    if (state.name === "awaitingReboot") {
      const { attempt, plan, prev } = state;
      return this.record({ on: "rollbackAsked", attempt, plan, prev });
    }
    const { running, profile, home, before, committed, committedPath } = this;
    const rests = state.name === "idle" && running === home && profile === home;
    if (!rests || running !== committedPath || before === running || !this.store.has(before))
      return;
    const attempt: Attempt = {
      id: `attempt ${this.begun.length}`,
      channel: "prod",
      revision: this.revision,
      payloadSha256: committed,
      storePath: running,
    };
    this.begun.push(attempt);
    this.roots.set("prev", before);
    const { committed: _, ...way } = this.#wayBack();
    const plan = { ...this.#plan("switch", before), rebootRequired: false, oneShot: false };
    const prev = { ...way, running: before, profile: before };
    this.record({ on: "rollbackAsked", attempt, plan, prev });
  }

  /** An administrator's own nixos-rebuild. */
  interfere(): void {
    this.history.push("somebody else switches");
    if ("prev" in this.journal.state && this.journal.state.name !== "stuck") {
      this.interferedAfter = this.begun.length;
    }
    this.byHand = `/nix/store/by-hand-${this.history.length}`;
    this.running = this.profile = this.bootDefault = this.byHand;
    this.once = "";
    this.store.add(this.byHand);
  }

  #resume(when: "sameBoot" | "afterReboot"): void {
    const { state } = this.journal;
    const rebooted = when === "afterReboot";
    if (!("attempt" in state)) return;
    const how = resumption[state.name][when];
    if (state.name === "staged")
      this.journal = { ...this.journal, state: { ...state, plan: undefined } };
    if (how.startsWith("record") && this.committedBy === state.attempt.id)
      return this.record({ on: "committed", bootId: `${this.bootId - Number(rebooted)}` });
    if (how.startsWith("first boot")) return this.#setAside();
    if (!how.endsWith("links")) return undefined;
    if (this.running === state.attempt.storePath) return this.record({ on: "bootedNew" });
    const prev =
      !("prev" in state) ||
      this.running === state.prev.running ||
      this.running === state.prev.profile;
    return this.record({ on: prev ? "bootedPrev" : "bootedThird" });
  }

  #setAside(): void {
    const { firstBoot } = this.journal;
    if (firstBoot === undefined) return;
    const course = firstBootCourse(firstBoot, this.now);
    if (course === "came" || course === "fell back")
      this.record({ on: "setAside", failure: this.#failure() });
  }

  #wayBack(): WayBack {
    const { running, booted, profile, committed: payloadSha256 } = this;
    const before = { running, booted, profile, generation: 1, failedUnits: [], inContact: true };
    return payloadSha256 === ""
      ? before
      : { ...before, committed: { revision: 1, payloadSha256, storePath: this.committedPath } };
  }

  #plan(order: Plan["order"], storePath: string): Plan {
    return {
      order,
      rebootRequired: kernelOf(storePath) !== kernelOf(this.booted),
      oneShot: this.#oneShot,
      healthCmd: "",
      healthyBefore: true,
      inspected: { bootId: `${this.bootId}`, ms: 0 },
    };
  }

  #failure(): Failure {
    return { code: CODES[this.#luck.pick(CODES.length)] ?? "TOOL_FAILED", message: "bad luck" };
  }

  #execute(effect: Effect): Event | undefined | "rest" {
    const luck = (options: number) => this.#luck.pick(options);
    const failure = () => this.#failure();
    const bad = () => luck(5) === 4;
    switch (effect.do) {
      case "preflight":
        return bad() ? { on: "unfit", failure: failure() } : { on: "fit" };
      case "root":
        this.roots.set(effect.name, effect.storePath);
        return undefined;
      case "copy":
        if (luck(3) === 2) return { on: "fetchFailed", failure: failure() };
        this.store.add(effect.attempt.storePath);
        return { on: "fetched" };
      case "inspect":
        if (bad()) return { on: "unusable", failure: failure() };
        return {
          on: "inspected",
          plan: this.#plan(
            (["prove-first", "switch", "boot"] as const)[luck(3)] ?? "switch",
            effect.attempt.storePath,
          ),
        };
      case "confirm":
        if (bad()) return { on: "withdrawn", code: "EXPIRED", message: "expired" };
        if (luck(8) === 7) return { on: "stale" };
        return luck(4) === 3 ? { on: "held", reason: "paused" } : { on: "cleared" };
      case "secure":
        if (bad()) return { on: "unsecured", failure: failure() };
        this.bootsBefore = [this.bootDefault, this.once];
        this.roots.set("prev", this.running);
        this.roots.set("prev-profile", this.profile);
        return { on: "secured", prev: this.#wayBack() };
      case "setProfile":
        if (bad()) return this.#profileFailure(failure());
        this.profile = effect.storePath;
        return undefined;
      case "activate":
        return this.#activate(effect);
      case "bootEntries":
        return this.#writeEntries(effect.entries, failure());
      case "resetProfile":
        if (bad()) return this.#profileFailure(failure());
        this.profile = effect.prev.profile;
        return undefined;
      case "bootPrepared":
        return { on: "needsReboot" };
      case "awaitReboot":
        if (this.running !== effect.prev.running) {
          this.once = "";
          return { on: "linksChanged", failure: failure() };
        }
        return "rest";
      case "watchFirstBoot":
        return this.#watchFirstBoot(effect.firstBoot);
      case "reboot":
        if (bad()) return { on: "unrestored", failure: failure() };
        this.reboot();
        return "rest";
      case "prove":
        if (this.running !== effect.attempt.storePath)
          return { on: "linksChanged", failure: failure() };
        if (luck(3) === 2) return { on: "unproven", failure: failure() };
        this.proven.add(effect.attempt.id);
        return { on: "proven" };
      case "stillRuns":
        return effect.storePaths.includes(this.running)
          ? undefined
          : { on: "linksChanged", failure: failure() };
      case "recordCommit":
        if (this.running !== effect.attempt.storePath) this.committedUnseen.add(effect.attempt.id);
        this.roots.set("committed", effect.attempt.storePath);
        this.before = this.home;
        this.committed = effect.attempt.payloadSha256;
        this.committedPath = effect.attempt.storePath;
        this.committedBy = effect.attempt.id;
        this.recorded.add(effect.attempt.id);
        return { on: "committed", bootId: `${this.bootId}` };
      case "restore": {
        this.roots.set("return", firstWayBack(effect).running);
        const home =
          this.running === effect.prev.running ||
          (effect.reach === "profile" && this.running === effect.prev.profile);
        if (this.running !== effect.attempt.storePath && !home) {
          return { on: "linksChanged", failure: failure() };
        }
        if (![effect.prev.running, effect.prev.profile].every((path) => this.store.has(path)))
          return { on: "prevGone", failure: failure() };
        if (effect.reach !== "live") this.profile = effect.prev.profile;
        if (bad()) return { on: "unrestored", failure: failure() };
        if (effect.reach !== "boot" && (effect.reach !== "profile" || !home)) {
          if (luck(8) === 7) return { on: "inhibited", failure: failure() };
          this.running = effect.prev.running;
        }
        if (effect.reach === "live" && effect.entries.once === "") return undefined;
        return this.#writeEntries(effect.entries, failure()) === undefined
          ? undefined
          : { on: "unrestored", failure: failure() };
      }
      case "compareContact":
        return { on: "restored", inContact: !effect.needed || luck(2) === 0 };
      case "lookAround":
        if (this.running !== this.profile || this.running === effect.attempt.storePath || bad())
          return "rest";
        ({ standard: this.bootDefault, once: this.once } = entriesFor(
          this.running,
          this.journal.firstBoot,
        ));
        this.home = this.running;
        return { on: "repaired" };
      case "leaveQuarantined":
        return this.#leaveQuarantined();
      case "tidy":
        // A reboot had repaired it before the journal was lost: what runs is all that is known.
        if (this.lost) this.home = this.running;
        this.lost = false;
        this.roots.delete("staged");
        this.roots.delete("prev");
        this.roots.delete("prev-profile");
        this.roots.delete("stuck");
        this.roots.delete("return");
        if (this.journal.firstBoot === undefined) {
          this.roots.delete("first-boot");
          this.roots.delete("fallback");
        }
        return "rest";
      default:
        return unreachable(effect);
    }
  }

  /** The boot loader is written before the failure, or was not touched. */
  #writeEntries({ standard, once }: BootEntries, failure: Failure): Event | undefined {
    const outcome = this.#luck.pick(6);
    if (outcome === 5) return this.#profileFailure(failure);
    this.bootDefault = standard;
    this.once = once;
    return outcome === 4 ? this.#profileFailure(failure) : undefined;
  }

  #watchFirstBoot(firstBoot: NonNullable<Machine["firstBoot"]>): Event | "rest" | undefined {
    const course = firstBootCourse(firstBoot, this.now);
    const { attempt, plan, prev } = firstBoot;
    const again = { ...attempt, id: `attempt ${this.begun.length}` };
    switch (course) {
      case "waits":
        if (this.#luck.pick(6) !== 5) return undefined;
        this.reboot();
        return "rest";
      case "came":
        this.begun.push(again);
        return { on: "firstBoot", attempt: again, plan, prev };
      case "fell back":
        this.begun.push(again);
        return { on: "fellBack", attempt: again, plan, prev };
      case "third":
        return { on: "bootedThird" };
      case "not chosen":
        return undefined;
      default:
        return unreachable(course);
    }
  }

  #profileFailure(failure: Failure): Event {
    return this.journal.state.name === "activating"
      ? { on: "untouched", failure }
      : { on: "uncommitted", failure };
  }

  #activate({ attempt, prev, action }: Extract<Effect, { do: "activate" }>): Event {
    const failure = this.#failure();
    if (this.running !== attempt.storePath && this.running !== prev.running)
      return { on: "linksChanged", failure };
    const outcome = this.#luck.pick(6);
    // Refused by a check before anything, or by the boot loader after it was written.
    // An activation that an earlier run finished cannot have left everything as it was.
    const moved = this.running === attempt.storePath;
    if (outcome === 4) return { on: moved ? "broken" : "untouched", failure };
    if (outcome === 3 && !moved && this.#luck.pick(2) === 1) return { on: "inhibited", failure };
    if (action === "switch") {
      this.bootDefault = attempt.storePath;
      this.once = "";
    }
    if (outcome === 5) return { on: moved ? "broken" : "untouched", failure };
    if (outcome === 3) return { on: "broken", failure };
    this.running = attempt.storePath;
    return outcome === 2 ? { on: "broken", failure } : { on: "activated" };
  }
}
