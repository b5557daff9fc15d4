import { sameBytes } from "@nix-ota/proto/bytes";
import type { PublicKey } from "@nix-ota/proto/key-file";
import type { Manifest } from "@nix-ota/proto/nixota/v1/manifest_pb";

import { revisionText } from "../amounts.ts";
import type { Ask } from "../ask.ts";
import { CliError } from "../cli-error.ts";
import type { Server } from "../client.ts";
import type { Host } from "../host.ts";
import type { Output } from "../output.ts";
import type { Signer } from "../signing/signer.ts";
import { addSignatures } from "./add-signatures.ts";
import { compareClosures, pinnedListing } from "./changes.ts";
import { manifestOf, type Content } from "./content.ts";
import { deliver } from "./deliver.ts";
import { readHead, type Head } from "./head.ts";
import { planRelease, type Plan } from "./plan.ts";
import { previewText, type PartPreview, type Preview } from "./preview.ts";
import type { ReleaseClosure } from "./release-closure.ts";
import { sayAlreadyPublished, sayDryRun, sayPublished } from "./result.ts";
import { decideRevision } from "./revision-decision.ts";
import { sign } from "./sign.ts";
import { expectVerifiable } from "./verifiable.ts";

/** Heads that may overtake before giving up: another publisher is at work without end. */
const ROUNDS = 5;

/** How it is to be published. */
export interface ReleaseWishes {
  channel: string;
  /** Distinct keys that have to have signed what is believed. */
  threshold: number;
  /** Undefined: the one after the head. */
  revision: bigint | undefined;
  dryRun: boolean;
  yes: boolean;
  /** Whether devices that could not verify the release stop it. */
  requireVerifiable: boolean;
}

/** What is published, and with what. */
export interface Publication {
  wishes: ReleaseWishes;
  /** One for each target. */
  parts: readonly Part[];
  signers: readonly Signer[];
  /** Keys beside those of `signers` that the head may be signed by and that are pinned at first. */
  otherKeys: readonly PublicKey[];
}

/** What is wanted for one target. */
export interface Part {
  content: Content;
  closure: ReleaseClosure;
}

/** What it takes. */
export interface Means {
  server: Server;
  host: Host;
  output: Output;
  ask: Ask;
  needsReboot(before: string, after: string): Promise<boolean | undefined>;
}

/**
 * Reads the head, shows what changes, signs and publishes; again when the head moves meanwhile.
 *
 * @returns The revision that devices are to come to, undefined for a dry run.
 */
export async function publish(publication: Publication, means: Means): Promise<bigint | undefined> {
  const { wishes, parts, signers } = publication;
  const { server, host, output } = means;
  const known = knownKeys(publication);
  const trusted = {
    publicKeys: known.map(({ publicKey }) => publicKey),
    threshold: wishes.threshold,
  };
  const targets = parts.map(({ content }) => content.target);
  for (let round = 1; ; round += 1) {
    const head = await readHead(server, { channel: wishes.channel, targets }, trusted);
    const plan = planRelease(parts, head, signers, wishes.revision);
    if (plan.kind === "nothing") {
      sayAlreadyPublished(wishes.channel, plan.unchanged, 0, output);
      return newest(plan.unchanged.map(({ current }) => current.manifest));
    }
    if (plan.kind === "add-signatures") return addSignatures(plan, publication, means);
    const revision = await decideRevision(head, wishes, means);
    const preview = await previewOf(plan, publication, head, revision, means);
    if (wishes.dryRun) {
      sayDryRun(preview, output);
      return undefined;
    }
    await expectVerifiable(publication, plan.parts, server);
    await expectLeave(preview, wishes, means);
    const envelopes = [];
    for (const { content } of plan.parts)
      envelopes.push((await sign(manifestOf(content, revision, host.now()), signers)).envelope);
    const delivery = {
      envelopes,
      listings: plan.parts.flatMap(({ closure }) => closure.listing ?? []),
      publicKeys: head.kind === "none" ? known : [],
      threshold: wishes.threshold,
    };
    try {
      sayPublished(await deliver(server, delivery, host, output), preview, output);
      return revision;
    } catch (error) {
      if (!wasOvertaken(error) || wishes.revision !== undefined || round >= ROUNDS) throw error;
      output.note(`another release took ${revisionText(revision)}; reading the head again`);
    }
  }
}

/** The public halves of the own keys and the others that were given, each once. */
function knownKeys({ signers, otherKeys }: Publication): readonly PublicKey[] {
  const all = [...signers, ...otherKeys].map(({ name, publicKey }) => ({ name, publicKey }));
  return all.filter(({ publicKey }, index) => {
    return all.findIndex((other) => sameBytes(other.publicKey, publicKey)) === index;
  });
}

/** What a plan comes to, compared with what devices follow. */
export async function previewOf(
  plan: Plan<Part> & { kind: "release" },
  { wishes, signers }: { wishes: ReleaseWishes; signers: readonly PublicKey[] },
  head: Head,
  revision: bigint,
  means: Means,
): Promise<Preview> {
  const parts: PartPreview[] = [];
  for (const { content, closure } of plan.parts) {
    if (plan.parts.length > 1)
      means.output.progress(`comparing target ${parts.length + 1} of ${plan.parts.length}`);
    const current = head.kind === "proven" ? head.current.get(content.target)?.manifest : undefined;
    const before = current && {
      manifest: current,
      entries: (await pinnedListing(means.server, current))?.entries,
    };
    parts.push({
      content,
      pathCount: closure.entries.length,
      changes: compareClosures(before, closure.entries, closure.fileSizes),
      rebootRequired: current && (await means.needsReboot(current.storePath, content.storePath)),
    });
  }
  return {
    channel: wishes.channel,
    revision,
    headRevision: head.kind === "proven" ? head.revision : undefined,
    parts,
    unchanged: plan.unchanged.map(({ current: { manifest } }) => ({
      target: manifest.target,
      revision: manifest.revision,
      storePath: manifest.storePath,
    })),
    signers,
  };
}

/** Shows what is about to be signed. A pipeline is not asked: whoever wrote it decided. */
async function expectLeave(preview: Preview, wishes: ReleaseWishes, means: Means): Promise<void> {
  const { output, ask } = means;
  const text = previewText(preview, output.paintNote);
  if (wishes.yes || !ask.possible) return output.note(text);
  // Also with --quiet: nobody can say yes to what is not shown.
  output.show(text);
  const question = `Sign and publish ${revisionText(preview.revision)} on ${wishes.channel}?`;
  if (!(await ask.confirm(question))) throw new CliError("declined", "nothing was published");
}

function newest(manifests: readonly Manifest[]): bigint {
  return manifests.reduce((most, { revision }) => (revision > most ? revision : most), 0n);
}

/** Whether the server refused because another release took the number. */
export function wasOvertaken(error: unknown): boolean {
  if (!(error instanceof CliError)) return false;
  return error.refusal?.reason === "REVISION_TAKEN" || error.refusal?.reason === "REVISION_STALE";
}
