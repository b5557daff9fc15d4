import { UNCHECKED, openManifest, signManifest } from "@nix-ota/proto";
import { toHex } from "@nix-ota/proto/hash";
import { publicHalf, type PublicKey, type SecretKey } from "@nix-ota/proto/key-file";
import type { Manifest } from "@nix-ota/proto/nixota/v1/manifest_pb";
import type { PublishResponse } from "@nix-ota/proto/nixota/v1/publish_service_pb";
import { ANY_SUBSTITUTER } from "@nix-ota/proto/substituter-url";

import { countOf, revisionText } from "../amounts.ts";
import type { Ask } from "../ask.ts";
import { CliError } from "../cli-error.ts";
import type { Server } from "../client.ts";
import type { Host } from "../host.ts";
import { nextRevision } from "../next-revision.ts";
import type { Output } from "../output.ts";
import { safeText } from "../terminal-text.ts";
import { unreachable } from "../unreachable.ts";
import { compareClosures, pinnedListing } from "./changes.ts";
import { isSameContent, manifestOf, type Content } from "./content.ts";
import { deliver } from "./deliver.ts";
import { readHead, type Head } from "./head.ts";
import { previewDocument, previewText, type Preview, type PreviewPaint } from "./preview.ts";
import type { ReleaseClosure } from "./release-closure.ts";
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
  const trusted = {
    publicKeys: [...publication.keys.map(publicHalf), ...publication.otherKeys].map(
      ({ publicKey }) => publicKey,
    ),
    threshold: wishes.threshold,
  };
  for (let round = 1; ; round += 1) {
    const head = await readHead(means.server, wishes, trusted);
    const published = alreadyHead(head, publication);
    if (published !== undefined) return sayAlreadyPublished(published, publication, means);
    const revision = await decideRevision(head, wishes, means);
    const preview = await previewOf(publication, head, revision, means);
    if (wishes.dryRun) return sayPreview(preview, means);
    means.output.note(previewText(preview, paintWith(means.output.paintNote)));
    await expectLeave(wishes, revision, means);
    const manifest = manifestOf(content, revision, means.host.now());
    const signed = sign(manifest, publication.keys);
    try {
      const response = await deliver(
        means.server,
        {
          envelope: signed.envelope,
          listing: publication.closure.listing,
          publicKeys: head.kind === "none" ? keysToPin(publication) : [],
          threshold: wishes.threshold,
        },
        means.host,
        means.output,
      );
      return sayPublished(response, preview, signed.payloadSha256, means);
    } catch (error) {
      if (!wasOvertaken(error) || wishes.revision !== undefined || round >= ROUNDS) throw error;
      means.output.note(`another release took ${revisionText(revision)}; reading the head again`);
    }
  }
}

/** The revision under which devices have the content, unless another number was asked for. */
function alreadyHead(head: Head, { wishes, content }: Publication): bigint | undefined {
  if (head.kind !== "proven" || head.current === undefined) return undefined;
  if (wishes.revision !== undefined && wishes.revision !== head.current.revision) return undefined;
  return isSameContent(head.current, content) ? head.current.revision : undefined;
}

async function decideRevision(head: Head, wishes: Wishes, means: Means): Promise<bigint> {
  const next = nextRevision(await believedHead(head, wishes, means), wishes.revision);
  switch (next.kind) {
    case "sign":
      return next.revision;
    case "jump": {
      const question = `${revisionText(next.revision)} is ${next.over} above the head, and devices never go back.`;
      if (wishes.yes || (await askTyped(question, revisionText(next.revision), means)))
        return next.revision;
      throw new CliError("declined", "the jump was not confirmed; nothing was published");
    }
    case "not-above":
      throw new CliError(
        "usage",
        `--revision ${next.revision} is not above the head r${next.head}; leave it out to take r${next.head + 1n}`,
      );
    case "exhausted":
      throw new CliError("refused", "the channel has no revision left; publish on another channel");
    default:
      return unreachable(next);
  }
}

/** The head's number as far as something better than the server says it. */
async function believedHead(head: Head, wishes: Wishes, means: Means): Promise<bigint> {
  switch (head.kind) {
    case "none":
      return 0n;
    case "proven":
      return head.revision;
    case "unproven": {
      const { revision, storePath } = head.claimed;
      const problem = `the server names ${revisionText(revision)} ${storePath} as head of ${wishes.channel}, which your keys do not prove: ${head.problem}`;
      if (wishes.revision !== undefined) {
        means.output.warn(`${problem}; signing ${revisionText(wishes.revision)} as asked`);
        return 0n;
      }
      if (!means.ask.possible)
        throw new CliError(
          "unproven",
          `${problem}; name the other signers' keys with --public-key, or the number with --revision`,
        );
      means.output.warn(problem);
      const word = revisionText(revision + 1n);
      if (await means.ask.typed(`Sign ${word} after it all the same?`, word)) return revision;
      throw new CliError("declined", "the head was not confirmed; nothing was published");
    }
    default:
      return unreachable(head);
  }
}

async function askTyped(question: string, word: string, means: Means): Promise<boolean> {
  if (means.ask.possible) return means.ask.typed(question, word);
  throw new CliError("declined", `${question} confirm with --yes`);
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

/** A pipeline is not asked: whoever wrote it decided. */
async function expectLeave(wishes: Wishes, revision: bigint, means: Means): Promise<void> {
  if (wishes.yes || !means.ask.possible) return;
  if (await means.ask.confirm(`Sign and publish ${revisionText(revision)} on ${wishes.channel}?`))
    return;
  throw new CliError("declined", "nothing was published");
}

/** Signs, and puts what came of it before the gate that devices have: no surprise comes later. */
function sign(manifest: Manifest, keys: readonly SecretKey[]) {
  const envelope = signManifest(
    manifest,
    keys.map(({ seed }) => seed),
  );
  const verdict = openManifest(envelope, {
    publicKeys: keys.map((key) => publicHalf(key).publicKey),
    threshold: 1,
    channel: manifest.channel,
    target: manifest.target,
    fleet: manifest.fleet,
    system: manifest.system,
    agentLevel: UNCHECKED,
    substituters: ANY_SUBSTITUTER,
    trustedTimeS: manifest.issuedAtS,
    floor: UNCHECKED,
    quarantine: UNCHECKED,
  });
  if (!verdict.ok)
    throw new CliError("rejected", `devices would refuse the manifest: ${verdict.message}`);
  return { envelope, payloadSha256: verdict.payloadSha256 };
}

function keysToPin({ keys, otherKeys }: Publication): { name: string; key: Uint8Array }[] {
  const all = [...keys.map(publicHalf), ...otherKeys];
  return all.map(({ name, publicKey }) => ({ name, key: publicKey }));
}

function wasOvertaken(error: unknown): boolean {
  if (!(error instanceof CliError)) return false;
  return error.refusal?.reason === "REVISION_TAKEN" || error.refusal?.reason === "REVISION_STALE";
}

function sayAlreadyPublished(revision: bigint, { content }: Publication, means: Means): void {
  means.output.result(
    {
      outcome: "already-published",
      channel: content.channel,
      target: content.target,
      revision: Number(revision),
      storePath: content.storePath,
    },
    () => `already published as ${revisionText(revision)} on ${content.channel}`,
  );
}

function paintWith(paint: Output["paint"]): PreviewPaint {
  return { title: (text) => paint("bold", text), name: (text) => paint("dim", text) };
}

function sayPreview(preview: Preview, { output }: Means): void {
  output.result({ outcome: "dry-run", ...previewDocument(preview) }, () =>
    [
      previewText(preview, paintWith(output.paint)),
      "nothing was signed or published (--dry-run)",
    ].join("\n"),
  );
}

function sayPublished(
  response: PublishResponse,
  preview: Preview,
  payloadSha256: Uint8Array,
  { output }: Means,
): void {
  const { content, revision } = preview;
  const unable = response.unableDeviceIds.map((id) => safeText(id));
  if (unable.length > 0)
    output.warn(
      `${countOf(unable.length, "device")} pin none of the keys that signed: ${unable.join(", ")}`,
    );
  output.result(
    {
      outcome: response.alreadyPublished ? "already-published" : "published",
      ...previewDocument(preview),
      payloadSha256: toHex(payloadSha256),
      channelCreated: response.channelCreated,
      unableDeviceIds: response.unableDeviceIds,
    },
    () => {
      const done = response.alreadyPublished ? "already published as" : "published";
      const created = response.channelCreated
        ? "; the channel is made and your keys are pinned"
        : "";
      return `${done} ${revisionText(revision)} on ${content.channel}${created}`;
    },
  );
}
