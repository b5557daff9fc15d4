import { expect, test } from "vitest";

import type { Findings } from "./self-test.ts";
import { fitnessOf, unfitness } from "./self-test.ts";

const healthy: Findings = {
  nixVersion: "2.8.0",
  journal: "readable",
  trust: "readable",
  key: "there",
  journalAttempt: "a1",
  expectedAttempt: "a1",
  deviceId: "fridge",
  expectedDevice: "fridge",
  refusal: undefined,
  stateDir: "/var/lib/nix-ota",
};

test("nothing speaks against an agent that finds the device as it left it", () => {
  expect(unfitness(healthy)).toBeUndefined();
});

test("nor against one that an earlier version asks, which does not say what the device goes by", () => {
  expect(unfitness({ ...healthy, expectedDevice: undefined })).toBeUndefined();
});

test("nor against one on a device that was never started", () => {
  const fresh = { journal: "absent", trust: "absent", key: "absent" } as const;
  expect(
    unfitness({ ...healthy, ...fresh, journalAttempt: undefined, expectedAttempt: undefined }),
  ).toBeUndefined();
});

test.each<[what: string, found: Partial<Findings>, sentence: string]>([
  ["a journal of another format", { journal: "unreadable" }, "the journal in /var/lib/nix-ota"],
  ["a trust record of another format", { trust: "unreadable" }, "the trust in /var/lib/nix-ota"],
  ["the state of another attempt", { journalAttempt: "a2" }, "set stateDir"],
  [
    "a state directory of its own",
    { journal: "absent", journalAttempt: undefined },
    "set stateDir",
  ],
  ["no key", { key: "absent" }, "no device.key"],
  ["another id for the device", { deviceId: "oven" }, "go by the id oven, the device is fridge"],
  [
    "that it would refuse its own release",
    { refusal: "the manifest is for another; build it anew" },
    "refuse the release that it came with: the manifest is for another; build it anew",
  ],
  ["no nix", { nixVersion: "" }, "nix cannot be run"],
])("an agent is unfit that finds %s", (_what, found, sentence) => {
  expect(unfitness({ ...healthy, ...found })).toContain(sentence);
});

test("every status but the three that a self-test chooses is an agent that does not work", () => {
  const told = [0, 4, 69, 77].map(fitnessOf);
  expect(told).toEqual(["fit", "unfit", "unreachable", "refused"]);
  expect(new Set([1, 2, 3, 70, 126, 127, 137, -1].map(fitnessOf))).toEqual(new Set(["unfit"]));
});
