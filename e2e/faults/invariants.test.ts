import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { State } from "@nix-ota/agent/states";
import { AgentState, DeviceEventSchema, Outcome } from "@nix-ota/proto/nixota/v1/device_pb";
import { describe, expect, test } from "vitest";

import { movedTooEarly, violations, whereIs } from "./invariants.ts";
import type { Ending, Picture } from "./picture.ts";

const OLD = "/nix/store/old";
const NEW = "/nix/store/new";
const OTHER = "/nix/store/other";
const PAYLOAD = "a".repeat(64);
const FLOOR = { revision: 3, payloadSha256: PAYLOAD };

const event = (fields: MessageInitShape<typeof DeviceEventSchema>) =>
  create(DeviceEventSchema, fields);
const activating = event({
  state: AgentState.ACTIVATING,
  attempt: { id: "one", revision: 3n, outcome: Outcome.UNSPECIFIED },
});
const begunNext = event({
  state: AgentState.FETCHING,
  attempt: { id: "one", revision: 4n, outcome: Outcome.UNSPECIFIED },
});
const end = (outcome: Outcome, message = "what went wrong, and what to do about it") =>
  event({ state: AgentState.IDLE, attempt: { id: "one", revision: 3n, outcome, message } });

/** A device that took the release, with whatever a test changes. */
function ending(picture: Partial<Picture>, more: Partial<Ending> = {}): Ending {
  return {
    picture: {
      running: NEW,
      profile: NEW,
      bootDefault: NEW,
      journal: journal({ name: "idle" }),
      trust: trust(NEW),
      roots: { "committed-prod-3-a": NEW },
      generations: [OLD, NEW],
      outbox: [],
      results: [],
      processes: [],
      ...picture,
    },
    events: [activating, end(Outcome.APPLIED)],
    log: "",
    commandLines: new Set(),
    secrets: ["hunter2"],
    systems: { previous: OLD, offered: [NEW], byHand: OTHER },
    noticed: [],
    highest: { floor: 3, commit: 3 },
    forgotten: undefined,
    ...more,
  };
}

const at = (system: string) => ({ running: system, profile: system, bootDefault: system });

function journal(state: State): Picture["journal"] {
  const moment = { bootId: "boot", ms: 0 };
  const tally = { payloadSha256: "", activations: 0, granted: 0, ends: 0 };
  return {
    version: 1,
    bootId: "boot",
    machine: { state, tally },
    since: moment,
    attemptSince: moment,
    eventNumber: 0,
    pending: [],
  };
}

function trust(committed?: string): Picture["trust"] {
  const record = committed === undefined ? {} : { committed: { ...FLOOR, storePath: committed } };
  return {
    version: 1,
    channels: { prod: { floor: FLOOR, ...record } },
    quarantine: [],
    signedTimeS: 0,
  };
}

const stuck = (message: string) =>
  journal({
    name: "stuck",
    attempt: { id: "one", channel: "prod", ...FLOOR, storePath: NEW },
    prev: {
      running: OLD,
      booted: OLD,
      profile: OLD,
      generation: 1,
      failedUnits: [],
      inContact: true,
    },
    failure: { code: "ROLLBACK_FAILED", message },
  });

const undone = {
  events: [activating, end(Outcome.ROLLED_BACK)],
  highest: { floor: 3, commit: 0 },
};

describe("a device rests", () => {
  test.each([
    ["new", ending({})],
    ["previous", ending({ ...at(OLD), trust: trust(), generations: [OLD] }, undone)],
    ["by hand", ending({ ...at(OTHER), trust: trust() }, undone)],
    [
      "stuck",
      ending(
        {
          running: NEW,
          profile: OLD,
          journal: stuck("the previous system does not run"),
          trust: trust(),
        },
        undone,
      ),
    ],
  ])("at %s", (where, one) => {
    expect(whereIs(one)).toBe(where);
    expect(violations(one)).toEqual([]);
  });
});

const broken: readonly (readonly [sentence: RegExp, ending: Ending])[] = [
  [/neither all new and committed/, ending({ profile: OLD })],
  [/neither all new and committed/, ending({ bootDefault: OLD })],
  [/neither all new and committed/, ending({ trust: trust(OLD) })],
  [/neither all new and committed/, ending(at("/nix/store/strange"))],
  [/neither all new and committed/, ending({ running: NEW, profile: OLD, trust: trust() }, undone)],
  [/stuck and does not say/, ending({ journal: stuck("") })],
  [
    /rests while accepted/,
    ending({
      journal: journal({
        name: "accepted",
        attempt: { id: "one", channel: "prod", ...FLOOR, storePath: NEW },
      }),
    }),
  ],
  [/floor fell from 4 to 3/, ending({}, { highest: { floor: 4, commit: 3 } })],
  [/floor 3 is below what was begun/, ending({}, { events: [begunNext, end(Outcome.APPLIED)] })],
  [/commit fell from 4 to 3/, ending({}, { highest: { floor: 3, commit: 4 } })],
  [
    /undone after it had been applied/,
    ending(
      {},
      {
        events: [
          activating,
          end(Outcome.APPLIED),
          event({ state: AgentState.ROLLING_BACK, attempt: { id: "one", revision: 3n } }),
        ],
      },
    ),
  ],
  [/has 0 ends/, ending({}, { events: [activating] })],
  [/has 2 ends/, ending({}, { events: [end(Outcome.APPLIED), end(Outcome.APPLIED)] })],
  [
    /was activated 4 times/,
    ending({}, { events: [...Array(4).fill(activating), end(Outcome.APPLIED)] }),
  ],
  [/does not say how it failed/, ending({}, { events: [end(Outcome.FAILED, "broken")] })],
  [/not reported: 000000000001-x/, ending({ outbox: ["000000000001-x"] })],
  [/roots are left: staged/, ending({ roots: { staged: NEW } })],
  [/left: one.json/, ending({ results: ["one.json"] })],
  [
    /a generation of what failed/,
    ending({ ...at(OLD), trust: trust(), generations: [OLD, NEW] }, undone),
  ],
  [/still runs: nix copy/, ending({ processes: ["nix copy"] })],
  [/secret stands in the log/, ending({}, { log: "it is hunter2" })],
  [/secret stands in a command line/, ending({}, { commandLines: new Set(["x --key hunter2"]) })],
  [
    /secret stands in a report/,
    ending({}, { events: [activating, end(Outcome.APPLIED, "the password is hunter2")] }),
  ],
  [/prev is not rooted/, ending({}, { noticed: ["prev is not rooted in probation"] })],
];

describe("a device that does not keep its promise is told on", () => {
  test.each(broken)("%s", (sentence, one) => {
    expect(violations(one)).toEqual([expect.stringMatching(sentence)]);
  });
});

describe("in the order prove-first, before the proof,", () => {
  const state = (
    name: "activating" | "committing",
    order: "prove-first" | "switch",
    before = OLD,
  ) =>
    ({
      name,
      attempt: { id: "one", channel: "prod", ...FLOOR, storePath: NEW },
      plan: {
        order,
        rebootRequired: false,
        oneShot: false,
        healthCmd: "",
        healthyBefore: true,
        inspected: { bootId: "boot", ms: 0 },
      },
      prev: { running: OLD, booted: OLD, profile: before, generation: 1, inContact: true },
    }) as const;
  const boots = (profile: string, bootDefault: string) => ({ profile, bootDefault });

  test.each([
    ["the profile", boots(NEW, OLD)],
    ["the boot default", boots(OLD, NEW)],
  ])("%s must not have moved", (_what, moved) => {
    expect(movedTooEarly(state("activating", "prove-first"), moved)).toBe(true);
    expect(movedTooEarly(state("activating", "switch"), moved)).toBe(false);
    expect(movedTooEarly(state("committing", "prove-first"), moved)).toBe(false);
  });

  test.each([
    ["as they were", OLD, boots(OLD, OLD)],
    ["with a profile that named what is gone", "", boots("/nix/store/gone", OLD)],
  ])("both may stay %s", (_how, before, stayed) => {
    expect(movedTooEarly(state("activating", "prove-first", before), stayed)).toBe(false);
  });
});
