import { publicKeyOf } from "@nix-ota/proto/ed25519";
import { toBase64 } from "@nix-ota/proto/hash";
import { sampleManifest, seedOf } from "@nix-ota/proto/sample-manifest.testkit";
import type { ManifestValues } from "@nix-ota/proto/sample-manifest.testkit";
import { signManifest } from "@nix-ota/proto/signed-manifest";
import { expect, test } from "vitest";

import type { Candidate } from "./orphan-guard.ts";
import { guardAgainstOrphaning } from "./orphan-guard.ts";

const OURS = seedOf(7);
const THEIRS = seedOf(9);
const text = (seed: Uint8Array) => toBase64(publicKeyOf(seed));

interface Signed {
  readonly manifest?: ManifestValues;
  readonly seeds?: readonly Uint8Array[];
}

/** What the guard of the device says to a closure that comes with a release on channel prod for target till of fleet kiosks. */
const judge = (
  agentJson: unknown,
  { manifest = {}, seeds = [OURS] }: Signed = {},
  closure: Partial<Candidate> = {},
) => {
  const signed = sampleManifest(manifest);
  return guardAgainstOrphaning(
    { deviceId: "till-1", system: "x86_64-linux" },
    {
      agentJson: agentJson === undefined ? undefined : JSON.stringify(agentJson),
      startsAgent: true,
      startsBootService: true,
      hasProgram: true,
      allowAgentRemoval: signed.allowAgentRemoval,
      envelope: signManifest(signed, seeds),
      ...closure,
    },
  );
};

const same = { channel: "prod", target: "till", fleet: "kiosks", publicKey: text(OURS) };
const both = [text(OURS), text(THEIRS)];

test.each<[what: string, agentJson: unknown, signed?: Signed]>([
  ["what the device has", { ...same, publicKey: `sign:${text(OURS)}` }],
  ["one key more", { ...same, publicKey: null, publicKeys: both }],
  ["the device's own id", { ...same, deviceId: "till-1" }],
  ["an id that is found on the device", { ...same, deviceId: null, deviceIdFile: "/etc/id" }],
  ["no fleet any more", { ...same, fleet: null }],
  [
    "its keys replaced by one that signed as well",
    { ...same, publicKey: text(THEIRS) },
    { seeds: [OURS, THEIRS] },
  ],
  [
    "a threshold that the signatures reach",
    { ...same, publicKeys: both, threshold: 2 },
    { seeds: [OURS, THEIRS] },
  ],
  [
    "a cache that the release does not name",
    { ...same, allowedSubstituters: ["https://new.example.org"] },
  ],
])("lets through an agent with %s", (_what, agentJson, signed) => {
  expect(judge({ ...(agentJson as object), healthCmd: "true" }, signed)).toEqual({
    healthCmd: "true",
  });
});

test.each<[what: string, agentJson: unknown, closure: Partial<Candidate>, part: string]>([
  ["configuration", undefined, {}, "no etc/nix-ota/agent.json"],
  ["unit that starts", same, { startsAgent: false }, "no nix-ota-agent.service"],
  ["boot service that starts", same, { startsBootService: false }, "no nix-ota-boot.service"],
  ["program", same, { hasProgram: false }, "no sw/bin/nix-ota-agent"],
])("refuses a closure without a %s", (_what, agentJson, closure, part) => {
  expect(judge(agentJson, {}, closure)).toContain(part);
});

const keys = "no signature of the manifest verifies";

test.each<[what: string, agentJson: object, cause: string, remedy: string, signed?: Signed]>([
  ["another channel", { channel: "beta" }, "not beta", "--next-channel"],
  ["no channel", { channel: undefined }, "not none", "--next-channel"],
  [
    "another target",
    { target: "oven" },
    'for target "till", not "oven"',
    "build it for the target",
  ],
  ["no target any more", { target: null }, 'for target "till", not ""', "build it for the target"],
  [
    "a target where the release has none",
    {},
    'for target "", not "till"',
    "switch it by hand",
    { manifest: { target: "" } },
  ],
  ["another fleet", { fleet: "labs" }, 'for fleet "kiosks", the device is in "labs"', "--fleet"],
  ["another id", { deviceId: "till-2" }, "this device is till-1", "leave deviceId out"],
  ["a target that is no id", { target: "Till 1" }, "target in its agent.json", "lower-case"],
  ["a channel that is no text", { channel: 5 }, "channel in its agent.json", "lower-case"],
  ["another key", { publicKey: text(THEIRS) }, keys, "--allow-key-change"],
  [
    "a threshold above the signatures",
    { publicKeys: both, threshold: 2 },
    "1 of the pinned keys signed the manifest, 2 have to",
    "--allow-key-change",
  ],
  [
    "a threshold above its keys",
    { threshold: 2 },
    "asks for 2 signatures and pins 1",
    "lower threshold",
    { seeds: [OURS, THEIRS] },
  ],
  [
    "one key twice for a threshold",
    { publicKeys: [text(OURS)], threshold: 2 },
    "pins 1",
    "lower threshold",
  ],
  ["no key", { publicKey: null }, "pins 0 sound keys", "pin as many"],
])("refuses an agent with %s", (_what, changes, cause, remedy, signed) => {
  const sentence = judge({ ...same, ...changes }, signed);
  expect(sentence).toContain(cause);
  expect(sentence).toMatch(new RegExp(`; .*${remedy}`, "u"));
});

test.each<
  [
    what: string,
    agentJson: object | undefined,
    manifest: ManifestValues,
    closure?: Partial<Candidate>,
  ]
>([
  ["removal", undefined, { allowAgentRemoval: true }],
  ["removal of the boot service", same, { allowAgentRemoval: true }, { startsBootService: false }],
  ["the next channel", { ...same, channel: "beta" }, { nextChannel: "beta" }],
  ["this channel, while it may leave it", same, { nextChannel: "beta" }],
  ["a change of keys", { ...same, publicKey: text(THEIRS) }, { allowKeyChange: true }],
  [
    "a threshold of new keys",
    { ...same, publicKeys: both, threshold: 2 },
    { allowKeyChange: true },
  ],
])("lets through %s with signed leave", (_what, agentJson, manifest, closure) => {
  expect(judge(agentJson, { manifest }, closure)).toEqual({ healthCmd: "" });
});

const everyLeave = { nextChannel: "gamma", allowKeyChange: true, allowAgentRemoval: true };

test.each<[what: string, agentJson: object, sentence: string]>([
  ["another channel", { channel: "beta" }, "not beta"],
  ["another target", { target: "oven" }, "oven"],
  ["another fleet", { fleet: "labs" }, "labs"],
  ["another id", { deviceId: "till-2" }, "till-2"],
  ["a threshold that no release reaches", { threshold: 2 }, "asks for 2"],
])("leave for one thing is no leave for %s", (_what, changes, sentence) => {
  expect(judge({ ...same, ...changes }, { manifest: everyLeave })).toContain(sentence);
});
