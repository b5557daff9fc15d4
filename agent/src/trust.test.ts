import { expect, test } from "vitest";

import { noTrust, withCommitted, withFloor, withQuarantined, withoutQuarantined } from "./trust.ts";

const floor = (revision: number) => ({ revision, payloadSha256: `p${revision}` });

test("a floor never falls, whatever order manifests come in, and other channels keep theirs", () => {
  const trust = [5, 3, 7, 6].reduce(
    (before, revision) => withFloor(before, "prod", floor(revision), revision),
    withFloor(noTrust, "beta", floor(2), 9),
  );
  expect(trust.channels).toEqual({ prod: { floor: floor(7) }, beta: { floor: floor(2) } });
  expect(trust.signedTimeS).toBe(9);
});

test("a commit raises the floor with it and keeps it when it is higher", () => {
  const committed = { ...floor(4), storePath: "/nix/store/a" };
  expect(withCommitted(noTrust, "prod", committed).channels.prod).toEqual({
    floor: floor(4),
    committed,
  });
  expect(
    withCommitted(withFloor(noTrust, "prod", floor(9), 0), "prod", committed).channels.prod,
  ).toEqual({ floor: floor(9), committed });
});

test("a retry lifts the quarantine of one revision, but not of what failed a security check", () => {
  const one = (revision: number, failure: "HEALTH_FAILED" | "UNTRUSTED_PATH") => ({
    channel: "prod",
    ...floor(revision),
    failure,
  });
  const trust = [one(1, "HEALTH_FAILED"), one(2, "HEALTH_FAILED"), one(3, "UNTRUSTED_PATH")].reduce(
    withQuarantined,
    noTrust,
  );
  const left = withoutQuarantined(withoutQuarantined(trust, "prod", 3), "prod", 1);
  expect(left.quarantine.map(({ revision }) => revision)).toEqual([2, 3]);
});

test("the quarantine stays within its bound", () => {
  let trust = noTrust;
  for (let revision = 1; revision <= 40; revision += 1) {
    trust = withQuarantined(trust, {
      channel: "prod",
      ...floor(revision),
      failure: "HEALTH_FAILED",
    });
  }
  expect([trust.quarantine.length, trust.quarantine.at(-1)?.revision]).toEqual([32, 40]);
});
