/** Whether a closure keeps the device within reach of updates. Pure. */
import { UNCHECKED } from "@nix-ota/proto";
import { toHex } from "@nix-ota/proto/hash";
import { isId } from "@nix-ota/proto/ids";
import { parsePublicKey } from "@nix-ota/proto/key-file";

import { refusalOfOwnRelease } from "./own-release.ts";

/** What the guard looks at. */
export interface Candidate {
  /** Contents of the closure's agent.json; undefined: it has none. */
  readonly agentJson: string | undefined;
  /** Whether its boot starts the agent, and what takes up an update before that. */
  readonly startsAgent: boolean;
  readonly startsBootService: boolean;
  /** Whether its agent's program can be run. */
  readonly hasProgram: boolean;
  /** Signed leave in the manifest. */
  readonly allowAgentRemoval: boolean;
  /** The release that brings it, as the gate of this device let it through. */
  readonly envelope: Uint8Array;
}

/** What the closure says of its own agent. */
export interface CandidateAgent {
  /** The closure's health command; empty: none. */
  readonly healthCmd: string;
}

/** The agent of the closure, or the sentence why it would cut the device off. */
export function guardAgainstOrphaning(
  device: { readonly deviceId: string; readonly system: string },
  candidate: Candidate,
): CandidateAgent | string {
  const file = candidate.agentJson === undefined ? undefined : readObject(candidate.agentJson);
  const missing = missingPart(candidate, file !== undefined);
  if (file === undefined || missing !== undefined) {
    if (candidate.allowAgentRemoval) return { healthCmd: healthOf(file) };
    return `the closure has no ${missing}, so no update would follow it; enable services.nix-ota-agent in it, or publish with --allow-agent-removal`;
  }
  return strayIdentity(device, candidate.envelope, file) ?? { healthCmd: healthOf(file) };
}

/** Why the closure's agent would be no agent of this device any more; undefined: it would be. */
function strayIdentity(
  device: { readonly deviceId: string; readonly system: string },
  envelope: Uint8Array,
  file: Record<string, unknown>,
): string | undefined {
  const noId = ID_KEYS.find((key) => !isIdOrAbsent(file[key]));
  if (noId !== undefined) {
    return `the closure's agent could not start: ${noId} in its agent.json is no id; use lower-case letters, digits, dots, dashes and underscores, at most 63`;
  }
  const [deviceId, channel, target, fleet] = ID_KEYS.map((key) => idIn(file[key]));
  if (deviceId !== "" && deviceId !== device.deviceId) {
    return `the closure's agent goes by the id ${deviceId}, this device is ${device.deviceId}; leave deviceId out of a system for several devices, or switch to it by hand to give the device another id`;
  }
  const publicKeys = keysOf(file);
  const threshold = typeof file["threshold"] === "number" ? file["threshold"] : 1;
  if (threshold > publicKeys.length) {
    return `the closure's agent asks for ${threshold} signatures and pins ${publicKeys.length} sound keys, so no release would ever pass; pin as many keys, or lower threshold`;
  }
  const refusal = refusalOfOwnRelease(envelope, {
    publicKeys,
    threshold,
    channel: channel ?? "",
    target: target ?? "",
    fleet: fleet ?? "",
    system: device.system,
    // Which it has only the closure's own agent knows.
    agentLevel: UNCHECKED,
  });
  return refusal === undefined
    ? undefined
    : `the closure's agent would refuse the release that it comes with: ${refusal}`;
}

const ID_KEYS = ["deviceId", "channel", "target", "fleet"] as const;

const isIdOrAbsent = (value: unknown) =>
  value === undefined || value === null || (typeof value === "string" && isId(value));

const idIn = (value: unknown) => (typeof value === "string" ? value : "");

/** What of an agent the closure lacks; undefined: nothing. */
function missingPart(candidate: Candidate, configured: boolean): string | undefined {
  if (!configured) return "etc/nix-ota/agent.json that can be read";
  if (!candidate.hasProgram) return "sw/bin/nix-ota-agent that can be run";
  if (!candidate.startsAgent) return "nix-ota-agent.service that its boot starts";
  // What guards the next boot starts with this unit: units are those of the system that booted.
  return candidate.startsBootService ? undefined : "nix-ota-boot.service that its boot starts";
}

function healthOf(file: Record<string, unknown> | undefined): string {
  return typeof file?.["healthCmd"] === "string" ? file["healthCmd"] : "";
}

function readObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    // Unreadable: the closure's agent could not start either.
    return undefined;
  }
}

/** The sound keys that it pins, each once. */
function keysOf(file: Record<string, unknown>): readonly Uint8Array[] {
  const texts = [
    file["publicKey"],
    ...(Array.isArray(file["publicKeys"]) ? (file["publicKeys"] as unknown[]) : []),
  ];
  const keys = new Map<string, Uint8Array>();
  for (const text of texts) {
    const key = typeof text === "string" ? parsePublicKey(text) : "";
    if (typeof key !== "string") keys.set(toHex(key.publicKey), key.publicKey);
  }
  return [...keys.values()];
}
