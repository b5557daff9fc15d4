import { create } from "@bufbuild/protobuf";
import { HoldReason } from "@nix-ota/proto/nixota/v1/channel_pb";
import { DirectiveSchema } from "@nix-ota/proto/nixota/v1/device_pb";
import { describe, expect, test } from "vitest";

import { sampleAttempt, samplePlan } from "./attempt.testkit.ts";
import type { Journal } from "./journal.ts";
import { firstJournal } from "./journal.ts";
import { serverNote, tellsTheSame } from "./server-note.ts";
import { printStatus, statusOf } from "./status.ts";
import { noTrust } from "./trust.ts";

const device = { deviceId: "fridge", channel: "prod" };
const answered = { got: "answer", value: create(DirectiveSchema) } as const;
const NOON_S = Date.UTC(2030, 0, 1, 12) / 1000;

const told = (...note: Parameters<typeof serverNote>) => {
  const records = { journal: undefined, trust: noTrust, holds: [], unreportedEvents: 0 };
  const printed = printStatus(statusOf(device, { ...records, server: serverNote(...note) }));
  return /^server +(.*)$/m.exec(printed)?.[1];
};
const refusal = (reason: "KEY_CONFLICT" | "DEVICE_REVOKED" | "OVERLOADED") =>
  ({
    got: "refusal",
    reason,
    message: `${reason}: as the server says it`,
    retryAfterMs: 0,
  }) as const;

test("status and why tell what the first boot of a committed kernel waits for, until it came", () => {
  const attempt = { ...sampleAttempt, revision: 7 };
  const prev = { running: "/nix/store/o", booted: "", profile: "", generation: 1, inContact: true };
  const first = firstJournal({ bootId: "boot", ms: 0 }, 0);
  const waiting: Journal = {
    ...first,
    machine: { ...first.machine, firstBoot: { attempt, plan: samplePlan, prev, bootId: "boot" } },
    last: {
      ...attempt,
      state: "idle",
      outcome: "applied",
      message: "runs, is proven, and is what boots next; reboot for its kernel",
      rebootRequired: true,
      elapsedMs: 0,
    },
    rebootHold: "waits for its window, which opens 2030-01-05T01:00:00Z",
  };
  const directive = create(DirectiveSchema, {
    verdict: {
      case: "hold",
      value: { reason: HoldReason.UP_TO_DATE, explanation: "the device has r7 of prod" },
    },
  });
  const server = serverNote({ got: "answer", value: directive }, "stream", NOON_S);
  const records = { trust: noTrust, holds: [], unreportedEvents: 0 };
  const printed = printStatus(statusOf(device, { ...records, journal: waiting, server }));
  expect(printed).toMatch(
    /^reboot +needed for the kernel of r7, which proves itself then; waits for its window, which opens 2030-01-05T01:00:00Z$/m,
  );
  expect(printed).toMatch(/^state +idle: nothing under way; asks the server$/m);
  expect(printed).toMatch(
    /^why +fridge: the device has r7 of prod: it runs, .*reboot for its kernel; waits for its window, which opens 2030-01-05T01:00:00Z$/m,
  );
});

describe("what status tells of the server", () => {
  test("how it is heard", () => {
    expect(told(answered, "stream", NOON_S)).toBe(
      "answers, heard over a stream, since 2030-01-01T12:00:00Z",
    );
    expect(told(answered, "poll", NOON_S)).toContain("asked by polls");
  });

  test("what to do where only a person can go on", () => {
    const pending = { ...refusal("OVERLOADED"), reason: "PENDING_APPROVAL" } as const;
    expect(told(pending, "poll", NOON_S)).toBe(
      "refuses since 2030-01-01T12:00:00Z: PENDING_APPROVAL: " +
        "an operator has to approve this device: nix-ota device approve fridge",
    );
    expect(told(refusal("KEY_CONFLICT"), "poll", NOON_S)).toContain("nix-ota device forget fridge");
    expect(told(refusal("DEVICE_REVOKED"), "poll", NOON_S)).toContain("ended the access");
  });

  test("the server's own words otherwise, and the cause of silence", () => {
    expect(told(refusal("OVERLOADED"), "poll", NOON_S)).toContain("as the server says it");
    const silence = { got: "silence", message: "connect ECONNREFUSED" } as const;
    expect(told(silence, "poll", NOON_S)).toBe(
      "does not answer since 2030-01-01T12:00:00Z: connect ECONNREFUSED",
    );
  });

  test("that nothing was asked yet", () => {
    const records = {
      journal: undefined,
      trust: noTrust,
      holds: [],
      unreportedEvents: 0,
      server: undefined,
    };
    expect(printStatus(statusOf(device, records))).toContain("not asked yet");
  });
});

test("a note is written for another answer, not for other words", () => {
  const silent = (message: string) => serverNote({ got: "silence", message }, "poll", NOON_S);
  expect(tellsTheSame(silent("ECONNREFUSED"), silent("ETIMEDOUT"))).toBe(true);
  const answer = answered;
  expect(tellsTheSame(silent(""), serverNote(answer, "poll", NOON_S))).toBe(false);
  expect(
    tellsTheSame(serverNote(answer, "stream", NOON_S), serverNote(answer, "poll", NOON_S)),
  ).toBe(false);
  expect(
    tellsTheSame(
      serverNote(refusal("KEY_CONFLICT"), "poll", NOON_S),
      serverNote(refusal("DEVICE_REVOKED"), "poll", NOON_S),
    ),
  ).toBe(false);
});

test("a committed closure says that its kernel needs a reboot", () => {
  const attempt = { id: "a", channel: "prod", revision: 7, payloadSha256: "p", storePath: "new" };
  const prev = {
    running: "old",
    booted: "old",
    profile: "old",
    generation: 1,
    failedUnits: [],
    inContact: true,
  };
  const first = firstJournal({ bootId: "boot", ms: 0 }, 0);
  const firstBoot = { attempt, plan: samplePlan, prev, bootId: "boot" };
  const journal = { ...first, machine: { ...first.machine, firstBoot } };
  const records = { trust: noTrust, holds: [], unreportedEvents: 0, server: undefined };
  const printed = (told: typeof journal | typeof first) =>
    printStatus(statusOf(device, { ...records, journal: told }));
  expect(printed(journal)).toMatch(/^reboot +needed for the kernel of r7/m);
  expect(printed(first)).not.toContain("reboot");
});
