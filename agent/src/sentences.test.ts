import { create } from "@bufbuild/protobuf";
import type { RejectCodeName } from "@nix-ota/proto";
import { HoldReason } from "@nix-ota/proto/nixota/v1/channel_pb";
import { DirectiveSchema, FailureCode } from "@nix-ota/proto/nixota/v1/device_pb";
import { RejectCode } from "@nix-ota/proto/nixota/v1/manifest_pb";
import { beforeEach, describe, expect, test } from "vitest";

import type { Attempt, Plan, WayBack } from "./attempt.ts";
import type { Event } from "./events.ts";
import type { FailureCodeName } from "./failure.ts";
import { notebookOver } from "./notebook.testkit.ts";
import type { Notebook } from "./notebook.ts";
import { serverNote } from "./server-note.ts";
import { printStatus, statusOf } from "./status.ts";
import { why } from "./why.ts";

/** Whatever the device says of a failure reads as one sentence with cause and remedy, wherever it is read. */

const namesOf = (codes: Record<string, string | number>) =>
  Object.keys(codes).filter((name) => name !== "UNSPECIFIED" && Number.isNaN(Number(name)));

const attempt: Attempt = {
  id: "aaaaaaaa",
  channel: "prod",
  revision: 5,
  payloadSha256: "5".repeat(64),
  storePath: "/nix/store/r5",
};
const plan: Plan = {
  order: "prove-first",
  rebootRequired: false,
  oneShot: false,
  inspected: { bootId: "boot", ms: 0 },
  healthCmd: "",
  healthyBefore: true,
};
const prev: WayBack = {
  running: "/nix/store/r4",
  booted: "/nix/store/r4",
  profile: "/nix/store/r4",
  generation: 4,
  failedUnits: [],
  inContact: true,
};
const CAUSE = /^(?=.{20,400}$)[^\n]*[^.;\s]; [a-z`][^\n]{9,}$/;

let notebook: Notebook;
beforeEach(async () => {
  notebook = await notebookOver();
});

const record = async (...events: Event[]) => {
  for (const event of events) expect(await notebook.record(event)).toBe(true);
};
const begin: Event[] = [{ on: "accepted", attempt }];
const probation: Event[] = [
  ...begin,
  { on: "fit" },
  { on: "fetched" },
  { on: "inspected", plan },
  { on: "cleared" },
  { on: "secured", prev },
  { on: "activated" },
];

/** What `status`, `why` and the server (from the report) say of it. */
async function told(): Promise<readonly string[]> {
  const { journal, trust } = notebook;
  const device = { deviceId: "fridge", channel: "prod" };
  const offer = { case: "offer", value: { revision: 5n, channel: "prod" } } as const;
  const answer = { got: "answer", value: create(DirectiveSchema, { verdict: offer }) } as const;
  const server = serverNote(answer, "poll", 0);
  const status = statusOf(device, { journal, trust, holds: [], unreportedEvents: 0, server });
  const line = /^last attempt +r5 [^:]*: (.*)$/m.exec(printStatus(status))?.[1] ?? "";
  const sentence = why({ deviceId: "fridge", journal, server });
  const reported = (notebook.attempt() ?? journal.last)?.message ?? "";
  expect(sentence.endsWith(reported)).toBe(true);
  return [line, sentence.slice(-reported.length), reported];
}

describe("every failure", () => {
  test.each(namesOf(FailureCode))(
    "%s tells what helps, in status, in why and to the server",
    async (code) => {
      const failure = {
        code: code as FailureCodeName,
        message: "something was not as it should be",
      };
      await record(...begin, { on: "unfit", failure });
      for (const sentence of await told()) expect(sentence).toMatch(CAUSE);
    },
  );

  test("of a return that gives up is why the device is stuck", async () => {
    const failure = { code: "ROLLBACK_FAILED", message: "the profile could not be set" } as const;
    await record(...probation, {
      on: "unproven",
      failure: { code: "HEALTH_FAILED", message: "down" },
    });
    for (
      let tries = 0;
      tries < 9 && notebook.journal.machine.state.name === "rollingBack";
      tries += 1
    )
      await record({ on: "unrestored", failure });
    const { journal } = notebook;
    expect(journal.machine.state.name).toBe("stuck");
    expect(why({ deviceId: "fridge", journal, server: undefined })).toMatch(
      /^fridge is stuck: the profile could not be set; /,
    );
  });

  test.each(["bootedPrev", "bootedThird"] as const)(
    "that is a reboot (%s) tells it too",
    async (on) => {
      await record(...probation, { on });
      for (const sentence of await told()) expect(sentence).toMatch(CAUSE);
    },
  );

  test("of a copy that is tried again is why it takes so long", async () => {
    const failure = { code: "CACHE_UNREACHABLE", message: "connection refused" } as const;
    await record(...begin, { on: "fit" }, { on: "fetchFailed", failure });
    const sentence = why({ deviceId: "fridge", journal: notebook.journal, server: undefined });
    expect(sentence).toMatch(/^fridge is offered r5 of prod and is fetching: connection refused; /);
    await record({ on: "fetched" });
    expect(why({ deviceId: "fridge", journal: notebook.journal, server: undefined })).not.toContain(
      "refused",
    );
  });
});

describe("every refusal of a manifest", () => {
  test.each(namesOf(RejectCode))("%s tells what helps, offered or on the way", async (code) => {
    const rejectCode = code as RejectCodeName;
    const message = await notebook.reject({
      id: "bbbbbbbb",
      channel: "prod",
      revision: 5,
      storePath: "",
      state: "idle",
      outcome: "rejected",
      rejectCode,
      message: "the manifest is not as it should be",
      rebootRequired: false,
      elapsedMs: 0,
    });
    for (const sentence of [message, ...(await told())]) expect(sentence).toMatch(CAUSE);
    await record(...begin, {
      on: "withdrawn",
      code: rejectCode,
      message: "it does not hold any more",
    });
    for (const sentence of await told()) expect(sentence).toMatch(CAUSE);
  });
});

test.each(namesOf(HoldReason))("a hold as %s reads on the device as on the server", (reason) => {
  const value = {
    reason: HoldReason[reason as keyof typeof HoldReason],
    explanation: "nothing is offered; do something about it",
  };
  const directive = create(DirectiveSchema, { verdict: { case: "hold", value } });
  const server = serverNote({ got: "answer", value: directive }, "poll", 0);
  expect(why({ deviceId: "fridge", journal: notebook.journal, server })).toBe(
    "fridge: nothing is offered; do something about it",
  );
});
