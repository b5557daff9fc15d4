import { describe, expect, test } from "vitest";

import type { ReportedAttempt } from "./reported-event.ts";
import { judgeRetry, judgeRollback, replyFor, wayBackOf } from "./request.ts";
import type { Trust } from "./trust.ts";
import { noTrust, withCommitted, withFloor, withQuarantined, withoutCommitted } from "./trust.ts";

const ref = (revision: number) => ({ revision, payloadSha256: `p${revision}` });
const commit = (revision: number) => ({ ...ref(revision), storePath: `/nix/store/r${revision}` });
const TWO = withCommitted(withCommitted(noTrust, "prod", commit(1)), "prod", commit(2));
const shutOut = (trust: Trust, revision: number, failure: "HEALTH_FAILED" | "DIGEST_MISMATCH") =>
  withQuarantined(withFloor(trust, "prod", ref(revision), 0), {
    channel: "prod",
    ...ref(revision),
    failure,
  });
const NONE = { payloadSha256: "", granted: 0, ends: 0 };

describe("a rollback by hand", () => {
  test("leaves what is committed and runs", () => {
    expect(judgeRollback(TWO, "prod", "/nix/store/r2", "p2")).toEqual(commit(2));
  });

  test.each([
    ["nothing is committed", noTrust, "/nix/store/r2", "p2", 3, "committed nothing"],
    ["another was committed since it was asked for", TWO, "/nix/store/r2", "p1", 5, "meanwhile"],
    ["somebody switched", TWO, "/nix/store/by-hand", "p2", 3, "by-hand runs"],
  ])("is refused where %s", (_what, trust, running, payload, status, words) => {
    const reply = judgeRollback(trust, "prod", running, payload);
    expect(reply).toMatchObject({ status, sentence: expect.stringContaining(words) });
    expect(reply).toMatchObject({ sentence: expect.stringContaining("; ") });
  });

  const generations = [
    { number: 1, storePath: "/nix/store/factory" },
    { number: 4, storePath: "/nix/store/r1" },
    { number: 7, storePath: "/nix/store/by-hand" },
    { number: 9, storePath: "/nix/store/r2" },
  ];
  const profile = { current: 9, all: generations };
  const goes = (before: string | undefined, wanted: number) =>
    wayBackOf(profile, "/nix/store/r2", before, wanted);

  test("goes to what was committed before, else to the generation before, else where it is told", () => {
    expect(goes("/nix/store/r1", 0)).toMatchObject({ number: 4 });
    expect(goes(undefined, 0)).toMatchObject({ number: 7 });
    expect(goes("/nix/store/gone", 0)).toMatchObject({ number: 7 });
    expect(goes("/nix/store/r1", 1)).toMatchObject({ storePath: "/nix/store/factory" });
  });

  test("never to the generation that it leaves, nor to one that is not there", () => {
    expect(goes(undefined, 9)).toMatchObject({
      status: 3,
      sentence: expect.stringMatching(/1, 4, 7/),
    });
    expect(goes(undefined, 5)).toMatchObject({ status: 3 });
    const alone = { current: 9, all: generations.slice(3) };
    expect(wayBackOf(alone, "/nix/store/r2", undefined, 0)).toMatchObject({
      status: 3,
      sentence: expect.stringContaining("no other generation"),
    });
  });

  test("remembers what was committed before, and what was left never again", () => {
    expect(TWO.channels["prod"]).toMatchObject({ committed: commit(2), before: commit(1) });
    const back = withoutCommitted(TWO, "prod", "p2", commit(1)).channels["prod"];
    expect(back).toEqual({ floor: ref(2), committed: commit(1) });
    expect(withoutCommitted(TWO, "prod", "p2", undefined).channels["prod"]).toEqual({
      floor: ref(2),
    });
  });
});

describe("a retry by hand", () => {
  const failed = shutOut(TWO, 3, "HEALTH_FAILED");

  test("lets the newest revision in again, once", () => {
    expect(judgeRetry(failed, "prod", NONE, 0)).toEqual({ ...ref(3), lifts: true });
    expect(judgeRetry(failed, "prod", NONE, 3)).toEqual({ ...ref(3), lifts: true });
    expect(
      judgeRetry(failed, "prod", { payloadSha256: "p3", granted: 1, ends: 1 }, 0),
    ).toMatchObject({
      status: 3,
    });
  });

  test("lets it in where a crash cut the wish short that had been counted", () => {
    const counted = { payloadSha256: "p3", granted: 1, ends: 0 };
    expect(judgeRetry(failed, "prod", counted, 0)).toEqual({ ...ref(3), lifts: true });
  });

  test("begins at once what would be tried again later", () => {
    const waits = withFloor(TWO, "prod", ref(3), 0);
    expect(judgeRetry(waits, "prod", NONE, 0)).toEqual({ ...ref(3), lifts: false });
  });

  test.each([
    ["a failure of security", shutOut(TWO, 3, "DIGEST_MISMATCH"), 0, "no wish lets it in"],
    ["a revision below the floor", failed, 2, "no device goes below"],
    ["what is committed", TWO, 0, "nothing to try again"],
    ["a channel without a manifest", noTrust, 0, "ever verified"],
  ])("is refused for %s", (_what, trust, revision, words) => {
    expect(judgeRetry(trust, "prod", NONE, revision)).toMatchObject({
      status: 3,
      sentence: expect.stringContaining(words),
    });
  });
});

test.each<
  [wish: "rollback" | "leave" | "retry", outcome: ReportedAttempt["outcome"], status: number]
>([
  ["rollback", "rolled_back", 0],
  ["rollback", "external_change", 4],
  ["leave", "rolled_back", 0],
  ["leave", "superseded", 0],
  ["leave", "applied", 5],
  ["retry", "rolled_back", 4],
  ["retry", "applied", 0],
  ["retry", "superseded", 0],
])("a %s whose attempt ended as %s exits with %d", (to, outcome, status) => {
  const wishes = {
    rollback: { to: "rollback", payloadSha256: "p", generation: 0 },
    leave: { to: "leave", attempt: "one" },
    retry: { to: "retry", revision: 0 },
  } as const;
  const wish = wishes[to];
  const ended = {
    revision: 3,
    message: "cause; remedy",
    ...(outcome === undefined ? {} : { outcome }),
  };
  const reply = replyFor(wish, ended as ReportedAttempt, { name: "idle" });
  expect(reply.status).toBe(status);
});
