import { sameBytes } from "@nix-ota/proto/bytes";
import { publicHalf, type PublicKey, type SecretKey } from "@nix-ota/proto/key-file";

import { revisionText } from "../amounts.ts";
import type { Ask } from "../ask.ts";
import { CliError } from "../cli-error.ts";
import type { Server } from "../client.ts";
import type { Host } from "../host.ts";
import type { Output } from "../output.ts";
import { compareClosures, pinnedListing } from "./changes.ts";
import { isSameContent, manifestOf, type Content } from "./content.ts";
import { deliver } from "./deliver.ts";
import { readHead, type Head } from "./head.ts";
import { previewText, type Preview } from "./preview.ts";
import type { ReleaseClosure } from "./release-closure.ts";
import { sayAlreadyPublished, sayDryRun, sayPublished } from "./result.ts";
import { decideRevision } from "./revision-decision.ts";
import { sign } from "./sign.ts";
import type { Wishes } from "./wishes.ts";

/** Heads that may overtake before giving up: another publisher is at work without end. */
const ROUNDS = 5;

/** What is published, and with what. */
export interface Publication {
  wishes: Wishes;
  content: Content;
  closure: ReleaseClosure;
  keys: readonly SecretKey[];
  /** Keys beside those of `keys` that the head may be signed by and that are pinned at first. */
  otherKeys: readonly PublicKey[];
}

/** What it takes. */
export interface Means {
  server: Server;
  host: Host;
  output: Output;
  ask: Ask;
  needsReboot(before: string, after: string): Promise<boolean | undefined>;
}

/** Reads the head, shows what changes, signs and publishes; again when the head moves meanwhile. */
export async function publish(publication: Publication, means: Means): Promise<void> {
  const { wishes, content } = publication;
  const signers = knownSigners(publication);
  const trusted = {
    publicKeys: signers.map(({ publicKey }) => publicKey),
    threshold: wishes.threshold,
  };
  for (let round = 1; ; round += 1) {
    const head = await readHead(means.server, wishes, trusted);
    const published = alreadyHead(head, publication);
    if (published !== undefined) return sayAlreadyPublished(published, content, means.output);
    const revision = await decideRevision(head, wishes, means);
    const preview = await previewOf(publication, head, revision, means);
    if (wishes.dryRun) return sayDryRun(preview, means.output);
    await expectLeave(preview, wishes, means);
    const signed = sign(manifestOf(content, revision, means.host.now()), publication.keys);
    const delivery = {
      envelope: signed.envelope,
      listing: publication.closure.listing,
      publicKeys: head.kind === "none" ? signers : [],
      threshold: wishes.threshold,
    };
    try {
      const response = await deliver(means.server, delivery, means.host, means.output);
      return sayPublished(response, preview, signed.payloadSha256, means.output);
    } catch (error) {
      if (!wasOvertaken(error) || wishes.revision !== undefined || round >= ROUNDS) throw error;
      means.output.note(`another release took ${revisionText(revision)}; reading the head again`);
    }
  }
}

/** The public halves of the own keys and the others that were given, each once. */
function knownSigners({ keys, otherKeys }: Publication): readonly PublicKey[] {
  const all = [...keys.map(publicHalf), ...otherKeys];
  return all.filter(({ publicKey }, index) => {
    return all.findIndex((other) => sameBytes(other.publicKey, publicKey)) === index;
  });
}

/** The revision under which devices have the content, unless another number was asked for. */
function alreadyHead(head: Head, { wishes, content }: Publication): bigint | undefined {
  if (head.kind !== "proven" || head.current === undefined) return undefined;
  if (wishes.revision !== undefined && wishes.revision !== head.current.revision) return undefined;
  return isSameContent(head.current, content) ? head.current.revision : undefined;
}

async function previewOf(
  { content, closure, keys }: Publication,
  head: Head,
  revision: bigint,
  means: Means,
): Promise<Preview> {
  const current = head.kind === "proven" ? head.current : undefined;
  const before = current && {
    manifest: current,
    entries: await pinnedListing(means.server, current),
  };
  return {
    content,
    revision,
    pathCount: closure.entries.length,
    changes: compareClosures(before, closure.entries, closure.fileSizes),
    rebootRequired: current && (await means.needsReboot(current.storePath, content.storePath)),
    signers: keys.map(publicHalf),
  };
}

/** Shows what is about to be signed. A pipeline is not asked: whoever wrote it decided. */
async function expectLeave(preview: Preview, wishes: Wishes, means: Means): Promise<void> {
  const { output, ask } = means;
  const text = previewText(preview, output.paintNote);
  if (wishes.yes || !ask.possible) return output.note(text);
  // Also with --quiet: nobody can say yes to what is not shown.
  output.show(text);
  const question = `Sign and publish ${revisionText(preview.revision)} on ${wishes.channel}?`;
  if (!(await ask.confirm(question))) throw new CliError("declined", "nothing was published");
}

function wasOvertaken(error: unknown): boolean {
  if (!(error instanceof CliError)) return false;
  return error.refusal?.reason === "REVISION_TAKEN" || error.refusal?.reason === "REVISION_STALE";
}
