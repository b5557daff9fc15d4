import type { Attempt, Plan } from "./attempt.ts";
import type { Effect } from "./effects.ts";
import { work } from "./effects.ts";
import type { Event } from "./events.ts";
import { failureTraits } from "./failure.ts";
import type { Failure, FailureCodeName } from "./failure.ts";
import { initialMachine, resumption, step } from "./machine.ts";
import type { Ending, Machine } from "./machine.ts";
import { unreachable } from "./unreachable.ts";

const CODES = Object.keys(failureTraits) as FailureCodeName[];

/** Chooses what happens next: 0 is the good way. */
export interface Luck {
  pick(options: number): number;
}

/** Every effect succeeds. */
export const goodLuck: Luck = { pick: () => 0 };

/**
 * A device without a device: links, boot loader, trust record and journal as plain values, changed
 * by effects in the order in which the real ones change theirs. A crash forgets all but these.
 */
export class World {
  running = "/nix/store/factory";
  profile = "/nix/store/factory";
  bootDefault = "/nix/store/factory";
  journal: Machine = initialMachine;
  committed = "";
  /** Attempts begun when somebody else switched while one was under way that had a way back. */
  interferedAfter = -1;
  byHand = "";
  revision = 0;
  readonly quarantine = new Set<string>();
  /** What happened, for the message of a failed property. */
  readonly history: string[] = [];
  readonly endings: Ending[] = [];
  readonly proven = new Set<string>();
  /** The boot loader's default when the way back was recorded. */
  bootDefaultBefore = "";
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
  }

  /** An event, its records and the journal, in the order of the notebook. */
  record(event: Event): void {
    const before = this.journal.state;
    const moved = step(this.journal, event);
    if (moved === undefined) return;
    if (event.on === "retryAsked") this.quarantine.clear();
    if (moved.ending?.quarantine === true) this.quarantine.add(moved.ending.attempt.payloadSha256);
    if (moved.ending !== undefined) this.endings.push(moved.ending);
    this.journal = moved.machine;
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
      if (failure.code === "CONTACT_LOST") this.activations.set(attempt.payloadSha256, count - 1);
    }
  }

  /** The server offers the newest manifest once more, or a newer one. */
  offer(newer: boolean): void {
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
    this.adopted.add(attempt.id);
    return this.record({ on: "adopted", attempt, plan: plan("adopt"), prev: this.#wayBack() });
  }

  /** The effects of the state. False: a crash came between two of them. */
  work(): boolean {
    for (const effect of work(this.journal.state)) {
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
    this.history.push("reboot");
    this.running = this.bootDefault;
    this.#resume("afterReboot");
  }

  /** The dead-man fires: it takes the journal up as a start does, then goes back. */
  overdue(): void {
    this.start();
    this.record({ on: "overdue", failure: { code: "OVERDUE", message: "nobody finished" } });
  }

  /** An administrator's own nixos-rebuild. */
  interfere(): void {
    this.history.push("somebody else switches");
    if ("prev" in this.journal.state && this.journal.state.name !== "stuck") {
      this.interferedAfter = this.begun.length;
    }
    this.byHand = `/nix/store/by-hand-${this.history.length}`;
    this.running = this.profile = this.bootDefault = this.byHand;
  }

  #resume(when: "sameBoot" | "afterReboot"): void {
    const { state, tally } = this.journal;
    if (!("attempt" in state)) return;
    const how = resumption[state.name][when];
    if (state.name === "staged") this.journal = { state: { ...state, plan: undefined }, tally };
    if (how.startsWith("record") && this.committed === state.attempt.payloadSha256)
      return this.record({ on: "committed" });
    if (!how.endsWith("links")) return undefined;
    if (this.running === state.attempt.storePath) return this.record({ on: "bootedNew" });
    const prev =
      !("prev" in state) ||
      this.running === state.prev.running ||
      this.running === state.prev.profile;
    return this.record({ on: prev ? "bootedPrev" : "bootedThird" });
  }

  #wayBack() {
    const { running, profile } = this;
    return { running, booted: running, profile, generation: 1, failedUnits: [], inContact: true };
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
        return undefined;
      case "copy":
        return luck(3) === 2 ? { on: "fetchFailed", failure: failure() } : { on: "fetched" };
      case "inspect":
        if (bad()) return { on: "unusable", failure: failure() };
        return {
          on: "inspected",
          plan: plan((["prove-first", "switch", "boot"] as const)[luck(3)] ?? "switch"),
        };
      case "confirm":
        if (bad()) return { on: "withdrawn", code: "EXPIRED", message: "expired" };
        return luck(4) === 3 ? { on: "held", reason: "paused" } : { on: "cleared" };
      case "secure":
        if (bad()) return { on: "unsecured", failure: failure() };
        this.bootDefaultBefore = this.bootDefault;
        return { on: "secured", prev: this.#wayBack() };
      case "setProfile":
        if (bad()) return this.#profileFailure(failure());
        this.profile = effect.storePath;
        return undefined;
      case "activate":
        return this.#activate(effect);
      case "awaitReboot":
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
      case "bootDefault":
        if (bad()) return { on: "uncommitted", failure: failure() };
        this.bootDefault = effect.storePath;
        return undefined;
      case "recordCommit":
        if (this.running !== effect.attempt.storePath) this.committedUnseen.add(effect.attempt.id);
        this.committed = effect.attempt.payloadSha256;
        this.recorded.add(effect.attempt.id);
        return { on: "committed" };
      case "restore": {
        const home =
          this.running === effect.prev.running ||
          (effect.reach === "profile" && this.running === effect.prev.profile);
        if (this.running !== effect.attempt.storePath && !home) {
          return { on: "linksChanged", failure: failure() };
        }
        if (effect.reach !== "live") this.profile = effect.prev.profile;
        if (bad()) return { on: "unrestored", failure: failure() };
        if (effect.reach !== "profile" || !home) this.running = effect.prev.running;
        if (bad()) return { on: "unrestored", failure: failure() };
        if (effect.reach !== "live") this.bootDefault = effect.prev.profile;
        return undefined;
      }
      case "compareContact":
        return { on: "restored", inContact: !effect.needed || luck(2) === 0 };
      case "lookAround":
        if (this.running !== this.profile || this.running === effect.attempt.storePath || bad())
          return "rest";
        this.bootDefault = this.profile;
        return { on: "repaired" };
      case "tidy":
        return "rest";
      default:
        return unreachable(effect);
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
    if (action !== "test") this.bootDefault = attempt.storePath;
    if (outcome === 5 || action === "boot")
      return action === "boot" && outcome < 4
        ? { on: "needsReboot" }
        : { on: moved ? "broken" : "untouched", failure };
    if (outcome === 3) return { on: "broken", failure };
    this.running = attempt.storePath;
    return outcome === 2 ? { on: "broken", failure } : { on: "activated" };
  }
}

const plan = (order: Plan["order"]): Plan => ({
  order,
  rebootRequired: false,
  healthCmd: "",
  healthyBefore: true,
});
