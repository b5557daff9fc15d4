/** Whether a closure keeps the device within reach of updates. Pure. */
import { toHex } from "@nix-ota/proto/hash";
import { isId } from "@nix-ota/proto/ids";
import { parsePublicKey } from "@nix-ota/proto/key-file";

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
  readonly allowKeyChange: boolean;
  readonly nextChannel: string;
}

/** What the closure says of its own agent. */
export interface CandidateAgent {
  /** The closure's health command; empty: none. */
  readonly healthCmd: string;
}

/** The agent of the closure, or the sentence why it would cut the device off. */
export function guardAgainstOrphaning(
  device: { readonly channel: string; readonly publicKeys: readonly Uint8Array[] },
  candidate: Candidate,
): CandidateAgent | string {
  const file = candidate.agentJson === undefined ? undefined : readObject(candidate.agentJson);
  const missing = missingPart(candidate, file !== undefined);
  if (file === undefined || missing !== undefined) {
    if (candidate.allowAgentRemoval) return { healthCmd: healthOf(file) };
    return `the closure has no ${missing}, so no update would follow it; enable services.nix-ota-agent in it, or publish with --allow-agent-removal`;
  }
  if (file.channel !== device.channel && file.channel !== candidate.nextChannel) {
    return `the closure's agent follows channel ${quoted(file.channel)}, this device follows ${device.channel}; build it for ${device.channel}, or publish with --next-channel ${quoted(file.channel)}`;
  }
  const pinned = new Set(device.publicKeys.map(toHex));
  if (!keysOf(file).some((key) => pinned.has(key)) && !candidate.allowKeyChange) {
    return "the closure's agent trusts none of the keys that this device trusts; pin both during a rotation, or publish with --allow-key-change";
  }
  return { healthCmd: healthOf(file) };
}

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

/** What a closure says is not to be repeated at any length. */
function quoted(value: unknown): string {
  return typeof value === "string" && isId(value) ? value : "without a valid name";
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

function keysOf(file: Record<string, unknown>): readonly string[] {
  const texts = [
    file.publicKey,
    ...(Array.isArray(file.publicKeys) ? (file.publicKeys as unknown[]) : []),
  ];
  return texts.flatMap((text) => {
    const key = typeof text === "string" ? parsePublicKey(text) : "";
    return typeof key === "string" ? [] : [toHex(key.publicKey)];
  });
}
