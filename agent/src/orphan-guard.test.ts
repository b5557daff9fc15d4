import { publicKeyOf } from "@nix-ota/proto/ed25519";
import { toBase64 } from "@nix-ota/proto/hash";
import { expect, test } from "vitest";

import type { Candidate } from "./orphan-guard.ts";
import { guardAgainstOrphaning } from "./orphan-guard.ts";

const [ours, theirs] = [7, 9].map((byte) => publicKeyOf(new Uint8Array(32).fill(byte)));
const text = (key: Uint8Array | undefined) => toBase64(key ?? new Uint8Array());
const device = { channel: "prod", publicKeys: ours === undefined ? [] : [ours] };

const judge = (agentJson: unknown, leave: Partial<Candidate> = {}) =>
  guardAgainstOrphaning(device, {
    agentJson: agentJson === undefined ? undefined : JSON.stringify(agentJson),
    startsAgent: true,
    startsBootService: true,
    hasProgram: true,
    allowAgentRemoval: false,
    allowKeyChange: false,
    nextChannel: "",
    ...leave,
  });

test("lets through an agent on the same channel with a key in common", () => {
  expect(judge({ channel: "prod", publicKey: `sign:${text(ours)}`, healthCmd: "true" })).toEqual({
    healthCmd: "true",
  });
  expect(judge({ channel: "prod", publicKeys: [text(theirs), text(ours)] })).toEqual({
    healthCmd: "",
  });
});

const prod = { channel: "prod", publicKey: text(ours) };

test.each([
  ["no configuration", undefined, {}, "no etc/nix-ota/agent.json"],
  ["no unit that starts", prod, { startsAgent: false }, "no nix-ota-agent.service"],
  ["no boot service that starts", prod, { startsBootService: false }, "no nix-ota-boot.service"],
  ["no program", prod, { hasProgram: false }, "no sw/bin/nix-ota-agent"],
  ["another channel", { channel: "beta", publicKey: text(ours) }, {}, "channel beta"],
  ["another key", { channel: "prod", publicKey: text(theirs) }, {}, "none of the keys"],
  ["no key", { channel: "prod" }, {}, "none of the keys"],
])("refuses %s", (_what, agentJson, leave, sentence) => {
  expect(judge(agentJson, leave)).toContain(sentence);
});

test.each([
  ["removal", undefined, { allowAgentRemoval: true }],
  ["removal of the boot service", prod, { allowAgentRemoval: true, startsBootService: false }],
  ["the next channel", { channel: "beta", publicKey: text(ours) }, { nextChannel: "beta" }],
  ["a change of keys", { channel: "prod", publicKey: text(theirs) }, { allowKeyChange: true }],
])("lets through %s with signed leave", (_what, agentJson, leave) => {
  expect(judge(agentJson, leave)).toEqual({ healthCmd: "" });
});

test("leave for one thing is no leave for another", () => {
  expect(
    judge(
      { channel: "beta", publicKey: text(ours) },
      { nextChannel: "gamma", allowKeyChange: true, allowAgentRemoval: true },
    ),
  ).toContain("channel beta");
});
