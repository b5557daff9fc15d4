import { describe, expect, test } from "vitest";

import type { Attempt, Order, Plan, WayBack } from "./attempt.ts";
import type { Event } from "./events.ts";
import type { FailureCodeName } from "./failure.ts";
import { initialMachine, step } from "./machine.ts";
import type { Machine } from "./machine.ts";
import type { Outcome } from "./outcome.ts";
import type { Reach, State, StateName } from "./states.ts";
import { emptyTally } from "./tally.ts";

const attempt: Attempt = {
  id: "one",
  channel: "prod",
  revision: 2,
  payloadSha256: "payload",
  storePath: "/nix/store/new",
};
const newer: Attempt = { ...attempt, id: "two", revision: 3, payloadSha256: "newer" };
const prev: WayBack = {
  running: "/nix/store/old",
  booted: "/nix/store/old",
  profile: "/nix/store/old",
  generation: 1,
  failedUnits: [],
  inContact: true,
};
const plan = (order: Order, rebootRequired = false): Plan => ({
  order,
  rebootRequired,
  oneShot: true,
  healthCmd: "",
  healthyBefore: true,
  inspected: { bootId: "boot", ms: 0 },
});

const fetching = (tries: number): State => ({ name: "fetching", attempt, tries });
const staged = (planned: boolean): State => ({
  name: "staged",
  attempt,
  plan: planned ? plan("switch") : undefined,
});
const under = (name: "activating" | "awaitingReboot" | "committing", order: Order): State => ({
  name,
  attempt,
  plan: plan(order),
  prev,
});
const probation = (order: Order, boots = 0): State => ({
  name: "probation",
  attempt,
  plan: plan(order),
  prev,
  boots,
});
const back = (order: Order, reach: Reach, tries: number, reboots: number): State => ({
  name: "rollingBack",
  attempt,
  plan: plan(order),
  prev,
  failure: { code: "HEALTH_FAILED", message: "it is down" },
  reach,
  ends: "rolled_back",
  tries,
  reboots,
});

const failure = { code: "TOOL_FAILED", message: "a tool failed" } as const;
const failed = (on: "untouched" | "broken" | "unproven" | "uncommitted" | "overdue"): Event => ({
  on,
  failure,
});
const unrestored: Event = { on: "unrestored", failure };
const inhibited: Event = { on: "inhibited", failure };
const fetchFailed = (code: FailureCodeName): Event => ({
  on: "fetchFailed",
  failure: { code, message: "" },
});
const [bootedPrev, bootedNew] = [{ on: "bootedPrev" }, { on: "bootedNew" }] as const;

type Row = readonly [
  what: string,
  state: State,
  event: Event,
  to: StateName,
  reach: Reach | "",
  ends: Outcome | "",
];

// oxfmt-ignore
const rows: readonly Row[] = [
  // what                                                       state                                 event                              to                reach      ends
  ["a copy is begun again while it may help",                   fetching(6),                          fetchFailed("CACHE_UNREACHABLE"),  "fetching",       "",        ""],
  ["and the eighth that failed was the last",                   fetching(7),                          fetchFailed("CACHE_UNREACHABLE"),  "idle",           "",        "failed"],
  ["one that cannot help is not",                               fetching(0),                          fetchFailed("UNTRUSTED_PATH"),     "idle",           "",        "failed"],
  ["leave counts for what was inspected",                       staged(true),                         { on: "cleared" },                 "armed",          "",        ""],
  ["and for nothing else",                                      staged(false),                        { on: "cleared" },                 "staged",         "",        ""],
  ["nothing moved, so nothing is undone",                       under("activating", "prove-first"),   failed("untouched"),               "idle",           "",        "failed"],
  ["the profile moved ahead of what did not",                   under("activating", "switch"),        failed("untouched"),               "rollingBack",    "profile", ""],
  ["what ran live is undone live",                              under("activating", "prove-first"),   failed("broken"),                  "rollingBack",    "live",    ""],
  ["what was prepared to boot is undone without it",            under("activating", "boot"),          failed("broken"),                  "rollingBack",    "profile", ""],
  ["what moved everything is undone everywhere",                under("activating", "switch"),        failed("broken"),                  "rollingBack",    "all",     ""],
  ["overdue, live",                                             under("activating", "prove-first"),   failed("overdue"),                 "rollingBack",    "live",    ""],
  ["overdue, prepared to boot",                                 under("activating", "boot"),          failed("overdue"),                 "rollingBack",    "profile", ""],
  ["overdue, everywhere",                                       under("activating", "switch"),        failed("overdue"),                 "rollingBack",    "all",     ""],
  ["the power went before anything durable",                    under("activating", "prove-first"),   bootedPrev,                        "idle",           "",        "interrupted"],
  ["the power went after the profile moved",                    under("activating", "switch"),        bootedPrev,                        "rollingBack",    "profile", ""],
  ["what cannot run live is prepared to boot",                  under("activating", "prove-first"),   inhibited,                         "activating",     "",        ""],
  ["a newer release takes the place of one that waits to boot", under("awaitingReboot", "boot"),      { on: "superseded", attempt: newer }, "rollingBack", "profile", ""],
  ["so does the system that runs, when a person says so",       under("awaitingReboot", "boot"),      { on: "rollbackAsked", attempt, plan: plan("boot"), prev }, "rollingBack", "profile", ""],
  ["the loader fell back",                                      under("awaitingReboot", "boot"),      bootedPrev,                        "rollingBack",    "profile", ""],
  ["unproven, live",                                            probation("prove-first"),             failed("unproven"),                "rollingBack",    "live",    ""],
  ["unproven, after it was booted",                             probation("boot"),                    failed("unproven"),                "rollingBack",    "boot",    ""],
  ["unproven, everywhere",                                      probation("switch"),                  failed("unproven"),                "rollingBack",    "all",     ""],
  ["unfinished, live",                                          probation("prove-first"),             failed("overdue"),                 "rollingBack",    "live",    ""],
  ["unfinished, after it was booted",                           probation("boot"),                    failed("overdue"),                 "rollingBack",    "boot",    ""],
  ["unfinished, everywhere",                                    probation("switch"),                  failed("overdue"),                 "rollingBack",    "all",     ""],
  ["a reboot is the way back",                                  probation("prove-first"),             bootedPrev,                        "idle",           "",        "interrupted"],
  ["and leaves profile and loader to bring back",               probation("switch"),                  bootedPrev,                        "rollingBack",    "profile", ""],
  ["a reboot in the middle is come through",                    probation("switch", 0),               bootedNew,                         "probation",      "",        ""],
  ["a second one is not",                                       probation("switch", 1),               bootedNew,                         "rollingBack",    "all",     ""],
  ["nor after it was booted to be proven",                      probation("boot", 1),                 bootedNew,                         "rollingBack",    "boot",    ""],
  ["uncommitted, after it was booted",                          under("committing", "boot"),          failed("uncommitted"),             "rollingBack",    "boot",    ""],
  ["uncommitted",                                               under("committing", "prove-first"),   failed("uncommitted"),             "rollingBack",    "all",     ""],
  ["overdue before its commit, after it was booted",            under("committing", "boot"),          failed("overdue"),                 "rollingBack",    "boot",    ""],
  ["overdue before its commit",                                 under("committing", "prove-first"),   failed("overdue"),                 "rollingBack",    "all",     ""],
  ["a return is tried again",                                   back("prove-first", "live", 1, 0),    unrestored,                        "rollingBack",    "live",    ""],
  ["the third that fails leaves a reboot",                      back("prove-first", "live", 2, 0),    unrestored,                        "rollingBack",    "reboot",  ""],
  ["and that was the last",                                     back("prove-first", "reboot", 3, 1),  unrestored,                        "stuck",          "",        "failed"],
  ["a return by reboot that fails is tried live",               back("boot", "boot", 0, 1),           unrestored,                        "rollingBack",    "all",     ""],
  ["and has one more reboot",                                   back("boot", "all", 2, 1),            unrestored,                        "rollingBack",    "reboot",  ""],
  ["but no third",                                              back("boot", "all", 2, 2),            unrestored,                        "stuck",          "",        "failed"],
  ["a way back that cannot run live is booted",                 back("prove-first", "live", 0, 0),    inhibited,                         "rollingBack",    "boot",    ""],
  ["once",                                                      back("prove-first", "all", 0, 1),     inhibited,                         "stuck",          "",        "failed"],
  ["a way back that is gone is none to reboot to",              back("prove-first", "live", 0, 0),    { on: "prevGone", failure },       "stuck",          "",        "failed"],
  ["power that comes back to the new one reboots once more",    back("boot", "boot", 0, 1),           bootedNew,                         "rollingBack",    "boot",    ""],
  ["and then goes back live",                                   back("boot", "boot", 0, 2),           bootedNew,                         "rollingBack",    "all",     ""],
  ["in another order it goes back live at once",                back("switch", "all", 0, 0),          bootedNew,                         "rollingBack",    "all",     ""],
];

const machine = (state: State): Machine => ({
  state,
  tally: { ...emptyTally, payloadSha256: attempt.payloadSha256, activations: 1 },
});

describe("the machine", () => {
  test.each(rows)("%s", (_, state, event, to, reach, ends) => {
    const moved = step(machine(state), event);
    const next = moved?.machine.state;
    expect(next?.name).toBe(to);
    expect(next?.name === "rollingBack" ? next.reach : "").toBe(reach);
    expect(moved?.ending?.outcome ?? "").toBe(ends);
  });

  test("prepares what cannot run live to boot, as the same activation", () => {
    const moved = step(machine(under("activating", "switch")), inhibited)?.machine;
    expect(moved).toMatchObject({ state: { plan: { order: "boot" } }, tally: { activations: 1 } });
  });

  test.each(["prove-first", "switch"] as const)(
    "shuts no release out for tools of the device that kept it from beginning, in the order %s",
    (order) => {
      const second = machine(under("activating", order));
      const tally = { ...second.tally, activations: 2 };
      const left = step({ ...second, tally }, failed("untouched"));
      const ending =
        left?.ending ?? step(left!.machine, { on: "restored", inContact: true })?.ending;
      expect(ending).toMatchObject({ outcome: "failed", quarantine: false });
    },
  );

  test("counts no reboot that an attempt is meant to take", () => {
    const boots = (state: State) => step(machine(state), bootedNew)?.machine.state;
    expect(boots(under("awaitingReboot", "boot"))).toMatchObject({ boots: 0 });
    expect(boots(under("activating", "switch"))).toMatchObject({ boots: 1 });
  });

  test("goes back from what waited to boot, not from the newer one, and blames neither", () => {
    const superseded: Event = { on: "superseded", attempt: newer };
    const left = step(machine(under("awaitingReboot", "boot")), superseded)?.machine;
    expect(left?.state).toMatchObject({ attempt });
    const restored: Event = { on: "restored", inContact: true };
    const ending = step(left ?? initialMachine, restored)?.ending;
    expect(ending).toMatchObject({ attempt, outcome: "superseded", quarantine: false });
    expect(ending?.failure).toBeUndefined();
  });

  test("reads a closure again that was read long ago", () => {
    expect(step(machine(staged(true)), { on: "stale" })?.machine.state).toEqual(staged(false));
  });
});

describe("a committed closure with another kernel", () => {
  const committing: State = {
    ...under("committing", "switch"),
    plan: plan("switch", true),
  } as State;
  const committed: Event = { on: "committed", bootId: "boot" };
  const firstBoot = { attempt, plan: plan("boot", true), prev, bootId: "boot" };
  const waiting: Machine = { ...machine({ name: "idle" }), firstBoot };
  const came: Event = {
    on: "firstBoot",
    attempt: { ...attempt, id: "again" },
    plan: plan("boot", true),
    prev,
  };

  test("waits for its first boot, and says that a reboot is needed", () => {
    const moved = step(machine(committing), committed);
    expect(moved?.machine).toMatchObject({ state: { name: "idle" }, firstBoot });
    expect(moved?.ending).toMatchObject({ outcome: "applied", rebootRequired: true });
  });

  test("is tried no more often because it was committed in between", () => {
    expect(step(machine(committing), committed)?.machine.tally.activations).toBe(1);
  });

  test("that was booted before its commit was written proves its kernel first, and waits for nothing then", () => {
    const booted = step(machine(committing), bootedNew)?.machine ?? initialMachine;
    expect(booted.state).toMatchObject({
      name: "probation",
      boots: 0,
      plan: { order: "boot", rebootRequired: false },
    });
    const proven = step(booted, { on: "proven" })?.machine ?? initialMachine;
    const moved = step(proven, committed);
    expect(moved?.machine.firstBoot).toBeUndefined();
    expect(moved?.ending?.rebootRequired).toBe(false);
    expect(moved?.machine.tally).toEqual(emptyTally);
  });

  test("that takes the place of another keeps the way back of the system that was booted", () => {
    const older = { ...firstBoot, prev: { ...prev, running: "/nix/store/booted" } };
    const moved = step({ ...machine(committing), firstBoot: older }, committed)?.machine;
    expect(moved?.firstBoot?.prev.running).toBe("/nix/store/booted");
  });

  test("proves itself once it was booted, and is then at its last reboot", () => {
    const moved = step(waiting, came)?.machine;
    expect(moved?.firstBoot).toBeUndefined();
    expect(moved?.state).toMatchObject({
      name: "probation",
      boots: 0,
      plan: { order: "boot", rebootRequired: false },
    });
  });

  test("is gone back from where the loader fell back, and not tried again", () => {
    const moved = step(waiting, { ...came, on: "fellBack" })?.machine ?? initialMachine;
    expect(moved.state).toMatchObject({ name: "rollingBack", reach: "profile" });
    const restored: Event = { on: "restored", inContact: true };
    expect(step(moved, restored)?.ending).toMatchObject({
      outcome: "rolled_back",
      failure: { code: "BOOT_FELL_BACK" },
      quarantine: true,
    });
  });

  test("is no concern any more when a third system was booted, or a person went back", () => {
    expect(step(waiting, { on: "bootedThird" })?.machine.firstBoot).toBeUndefined();
    const asked: Event = { on: "rollbackAsked", attempt, plan: plan("adopt"), prev };
    expect(step(waiting, asked)?.machine.firstBoot).toBeUndefined();
  });

  test("stays one when a person leaves another that waits for its own reboot", () => {
    const waits = { ...under("awaitingReboot", "boot"), attempt: newer } as State;
    const asked: Event = { on: "rollbackAsked", attempt: newer, plan: plan("boot"), prev };
    const moved = step({ ...waiting, state: waits }, asked);
    expect(moved?.machine).toMatchObject({ state: { name: "rollingBack" }, firstBoot });
  });

  test("stays one while another attempt goes on, and comes before it after a reboot", () => {
    const moved = step(waiting, { on: "accepted", attempt: newer })?.machine;
    expect(moved).toMatchObject({ state: { name: "accepted" }, firstBoot });
    const aside = step(moved ?? initialMachine, { on: "setAside", failure });
    expect(aside?.machine).toMatchObject({ state: { name: "idle" }, firstBoot });
    expect(aside?.ending).toMatchObject({ outcome: "interrupted", quarantine: false });
  });
});

test("a closure that failed is not proven again and again where no way leads back", () => {
  const gone: Event = { on: "prevGone", failure: { code: "NO_WAY_BACK", message: "it is gone" } };
  const moved = step({ ...initialMachine, state: back("prove-first", "live", 0, 0) }, gone);
  expect(moved?.ending).toMatchObject({ failure: { code: "NO_WAY_BACK" }, quarantine: true });
  expect(moved?.machine).toMatchObject({ state: { name: "stuck" }, tally: { ends: 1 } });
});
