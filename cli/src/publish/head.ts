import { UNCHECKED, openManifest } from "@nix-ota/proto";
import type { Manifest } from "@nix-ota/proto/nixota/v1/manifest_pb";
import type { Release } from "@nix-ota/proto/nixota/v1/release_pb";

import { CliError } from "../cli-error.ts";
import type { Server } from "../client.ts";
import { answerOf } from "../server-error.ts";
import { safeText } from "../terminal-text.ts";

/** The keys by which an operator believes what a server shows. */
export interface TrustedKeys {
  publicKeys: readonly Uint8Array[];
  threshold: number;
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
      /** The manifest that devices of the target follow; undefined when they have none. */
      current: Manifest | undefined;
    }
  | {
      kind: "unproven";
      /** What the server says, which nothing proves. */
      claimed: { revision: bigint; storePath: string };
      problem: string;
    };

/** Reads the head and proves it. */
export async function readHead(
  server: Server,
  { channel, target }: { channel: string; target: string },
  trusted: TrustedKeys,
): Promise<Head> {
  const release = await headRelease(server, channel);
  if (release === undefined) return { kind: "none" };
  const verdicts = release.manifests.map(({ envelope }) => prove(envelope, channel, trusted));
  const proven = verdicts.flatMap((verdict) => (verdict.ok ? [verdict.manifest] : []));
  const [first] = proven;
  if (first === undefined) {
    const refused = verdicts.find((verdict) => !verdict.ok);
    return unproven(release, refused?.message ?? "the server sent no envelope with it");
  }
  // An old envelope under a higher number, or one number over several envelopes.
  const strayed = proven.find(({ revision }) => revision !== release.revision);
  if (strayed !== undefined)
    return unproven(release, `its envelope is signed for r${strayed.revision}`);
  const current =
    proven.find((manifest) => manifest.target === target) ??
    (await newestOfTarget(server, { channel, target }, trusted));
  return { kind: "proven", revision: first.revision, current };
}

async function headRelease(server: Server, channel: string): Promise<Release | undefined> {
  try {
    const { release } = await answerOf(server.publish.getRelease({ channel }), server.url);
    return release;
  } catch (error) {
    const reason = error instanceof CliError ? error.refusal?.reason : undefined;
    if (reason === "CHANNEL_UNKNOWN" || reason === "RELEASE_UNKNOWN") return undefined;
    throw error;
  }
}

/** The target's manifest from before the head: not every release has one for each target. */
async function newestOfTarget(
  server: Server,
  { channel, target }: { channel: string; target: string },
  trusted: TrustedKeys,
): Promise<Manifest | undefined> {
  const answer = await answerOf(server.channel.getCurrent({ channel, target }), server.url).catch(
    (error: unknown) => {
      // It serves the comparison alone: a token that may only publish can do without.
      if (error instanceof CliError && error.kind === "refused") return undefined;
      throw error;
    },
  );
  if (answer?.result.case !== "envelope") return undefined;
  const verdict = prove(answer.result.value, channel, trusted);
  return verdict.ok && verdict.manifest.target === target ? verdict.manifest : undefined;
}

function prove(envelope: Uint8Array, channel: string, trusted: TrustedKeys) {
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

function unproven(release: Release, problem: string): Head {
  const storePath = safeText(release.manifests[0]?.storePath ?? "");
  return { kind: "unproven", claimed: { revision: release.revision, storePath }, problem };
}
