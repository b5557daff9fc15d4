/** Whether a closure keeps the device within reach of updates. Pure. */
import { toHex } from "@nix-ota/proto/hash";
import { parsePublicKey } from "@nix-ota/proto/key-file";

/** What the guard looks at. */
export interface Candidate {
  /** Contents of the closure's agent.json; undefined: it has none. */
  readonly agentJson: string | undefined;
  readonly hasAgentUnit: boolean;
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
  if (file === undefined || !candidate.hasAgentUnit) {
    if (candidate.allowAgentRemoval) return { healthCmd: "" };
    return "the closure contains no agent, so no update would follow it; enable services.nix-ota-agent, or publish with leave to remove it";
  }
  if (file.channel !== device.channel && file.channel !== candidate.nextChannel) {
    return `the closure's agent follows channel ${String(file.channel)}, this device ${device.channel}; publish with that channel as the next one`;
  }
  const pinned = new Set(device.publicKeys.map(toHex));
  if (!keysOf(file).some((key) => pinned.has(key)) && !candidate.allowKeyChange) {
    return "the closure's agent trusts none of the keys that this device trusts; pin both during a rotation, or publish with leave to change keys";
  }
  return { healthCmd: typeof file.healthCmd === "string" ? file.healthCmd : "" };
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
