import { UNCHECKED, openManifest } from "@nix-ota/proto";
import type { Manifest } from "@nix-ota/proto/nixota/v1/manifest_pb";
import type { Release } from "@nix-ota/proto/nixota/v1/release_pb";

import { boundedForEach } from "../bounded-for-each.ts";
import { CliError } from "../cli-error.ts";
import type { Server } from "../client.ts";
import { answerOf } from "../server-error.ts";
import { safeText } from "../terminal-text.ts";

/** The keys by which an operator believes what a server shows. */
export interface TrustedKeys {
  publicKeys: readonly Uint8Array[];
  threshold: number;
}

/** A manifest that the operator's keys prove. */
export interface ProvenManifest {
  manifest: Manifest;
  /** As the server gave it. */
  envelope: Uint8Array;
  /** Those of the trusted keys that signed. */
  signedBy: readonly Uint8Array[];
}

/**
 * The head of a channel. Whatever is signed depends on it, so that what a server says counts only
 * as far as the operator's keys prove it: else the server could have any number signed.
 */
export type Head =
  | { kind: "none" }
  | {
      kind: "proven";
      revision: bigint;
      /** What devices of each target follow; targets that have none are left out. */
      current: ReadonlyMap<string, ProvenManifest>;
      /** What proves the revision. */
      proof: ProvenManifest;
    }
  | {
      kind: "unproven";
      /** What the server says, which nothing proves. */
      claimed: { revision: bigint; storePath: string };
      problem: string;
    };

/** Requests at a time for targets that the head's release does not have. */
const CONCURRENCY = 8;

/** Reads the head and what devices of the targets follow, and proves both. */
export async function readHead(
  server: Server,
  { channel, targets }: { channel: string; targets: readonly string[] },
  trusted: TrustedKeys,
): Promise<Head> {
  const release = await readRelease(server, channel, 0n);
  if (release === undefined) return { kind: "none" };
  const judged = proveRelease(release, channel, trusted);
  if (judged.kind === "unproven") return judged;
  const proven = new Map(judged.manifests.map((one) => [one.manifest.target, one]));
  const current = new Map<string, ProvenManifest>();
  await boundedForEach(targets, CONCURRENCY, async (target) => {
    const found = proven.get(target) ?? (await newestOfTarget(server, channel, target, trusted));
    if (found !== undefined) current.set(target, found);
  });
  return { kind: "proven", revision: release.revision, current, proof: judged.proof };
}

/** A release, or undefined where there is none. `revision` 0: the head. */
export async function readRelease(
  server: Server,
  channel: string,
  revision: bigint,
): Promise<Release | undefined> {
  try {
    const answer = await answerOf(server.publish.getRelease({ channel, revision }), server.url);
    return answer.release;
  } catch (error) {
    const reason = error instanceof CliError ? error.refusal?.reason : undefined;
    if (reason === "CHANNEL_UNKNOWN" || reason === "RELEASE_UNKNOWN") return undefined;
    throw error;
  }
}

/**
 * The manifests of a release that the keys prove for the channel, or why its number is not proven by
 * any of them.
 */
export function proveRelease(
  release: Release,
  channel: string,
  trusted: TrustedKeys,
):
  | { kind: "proven"; manifests: readonly ProvenManifest[]; proof: ProvenManifest }
  | (Head & { kind: "unproven" }) {
  const verdicts = release.manifests.map(({ envelope }) => ({
    envelope,
    verdict: proveManifest(envelope, channel, trusted),
  }));
  const manifests = verdicts.flatMap(({ envelope, verdict }) =>
    verdict.ok ? [{ manifest: verdict.manifest, envelope, signedBy: verdict.signedBy }] : [],
  );
  const [proof] = manifests;
  if (proof === undefined) {
    const refused = verdicts.map(({ verdict }) => verdict).find((verdict) => !verdict.ok);
    return unproven(release, refused?.message ?? "the server sent no envelope with it");
  }
  // An old envelope under a higher number, or one number over several envelopes.
  const strayed = manifests.find(({ manifest }) => manifest.revision !== release.revision);
  if (strayed !== undefined)
    return unproven(release, `its envelope is signed for r${strayed.manifest.revision}`);
  return { kind: "proven", manifests, proof };
}

/** What the gate says of an envelope, as far as it is asked for a channel and keys alone. */
export function proveManifest(envelope: Uint8Array, channel: string, trusted: TrustedKeys) {
  return openManifest(envelope, {
    ...trusted,
    channel,
    // Another manifest of the same release proves its number as well.
    target: UNCHECKED,
    fleet: UNCHECKED,
    system: UNCHECKED,
    agentLevel: UNCHECKED,
    substituters: UNCHECKED,
    // An expired head is still the head.
    trustedTimeS: UNCHECKED,
    floor: UNCHECKED,
    quarantine: UNCHECKED,
  });
}

/** The target's manifest from before the head: not every release has one for each target. */
async function newestOfTarget(
  server: Server,
  channel: string,
  target: string,
  trusted: TrustedKeys,
): Promise<ProvenManifest | undefined> {
  const answer = await answerOf(server.channel.getCurrent({ channel, target }), server.url).catch(
    (error: unknown) => {
      // It serves the comparison alone: a token that may only publish can do without.
      if (error instanceof CliError && error.kind === "refused") return undefined;
      throw error;
    },
  );
  if (answer?.result.case !== "envelope") return undefined;
  const envelope = answer.result.value;
  const verdict = proveManifest(envelope, channel, trusted);
  if (!verdict.ok || verdict.manifest.target !== target) return undefined;
  return { manifest: verdict.manifest, envelope, signedBy: verdict.signedBy };
}

function unproven(release: Release, problem: string): Head & { kind: "unproven" } {
  const storePath = safeText(release.manifests[0]?.storePath ?? "");
  return { kind: "unproven", claimed: { revision: release.revision, storePath }, problem };
}
