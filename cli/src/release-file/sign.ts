import type { PublicKey } from "@nix-ota/proto/key-file";
import { decodeEnvelope } from "@nix-ota/proto/signed-manifest";

import { countOf, revisionText } from "../amounts.ts";
import type { Ask } from "../ask.ts";
import { CliError } from "../cli-error.ts";
import type { Host } from "../host.ts";
import { nextRevision } from "../next-revision.ts";
import type { Output } from "../output.ts";
import { previewDocument, previewText } from "../publish/preview.ts";
import { signPayload } from "../publish/sign.ts";
import type { Signer } from "../signing/signer.ts";
import { viewFile, type FileView } from "./preview.ts";
import { united } from "./read.ts";
import type { FileManifest, FileSignature, ReleaseFile } from "./release-file.ts";

/** What the one who signs demands. */
export interface SigningWishes {
  /** Channel it must be for; undefined: any. */
  channel: string | undefined;
  /** The number it must have, in place of a proof of the one before. */
  revision: bigint | undefined;
  /** Distinct keys that have to have signed what was before. */
  threshold: number;
  yes: boolean;
}

/** What it takes. */
export interface SigningMeans {
  host: Host;
  output: Output;
  ask: Ask;
}

/**
 * Shows what is in a file and signs it: the very payloads, after what was before has proven their
 * number.
 *
 * @throws {CliError} `rejected` for what devices would refuse, `unproven`, `declined`.
 */
export async function signRelease(
  release: ReleaseFile,
  keys: { signers: readonly Signer[]; otherKeys: readonly PublicKey[] },
  wishes: SigningWishes,
  means: SigningMeans,
): Promise<ReleaseFile> {
  const { host, output } = means;
  expectAsked(release, wishes, host.now());
  const known = [...keys.signers, ...keys.otherKeys];
  const trusted = {
    publicKeys: known.map(({ publicKey }) => publicKey),
    threshold: wishes.threshold,
  };
  const view = viewFile(release, trusted, keys.signers);
  await expectLeave(view, wishes, means);
  const manifests: FileManifest[] = [];
  for (const one of release.manifests) {
    output.progress(`signing ${manifests.length + 1} of ${release.manifests.length}`);
    const signed = await signPayload(one.payload, one.manifest, keys.signers);
    manifests.push({ ...one, signatures: united(one.signatures, signaturesOf(signed.envelope)) });
  }
  return { ...release, manifests };
}

/** Says what was signed and where it is. */
export function saySigned(
  release: ReleaseFile,
  file: string,
  signers: readonly Signer[],
  output: Output,
): void {
  const { preview } = viewFile(release, { publicKeys: [], threshold: 1 }, signers);
  const counts = release.manifests.map(({ signatures }) => signatures.length);
  output.result(
    { outcome: "signed", file, signatureCount: Math.min(...counts), ...previewDocument(preview) },
    () =>
      `signed ${revisionText(preview.revision)} on ${preview.channel}; ${file} has ${countOf(Math.min(...counts), "signature")}`,
  );
}

function expectAsked({ manifests }: ReleaseFile, wishes: SigningWishes, nowMs: number): void {
  for (const { manifest } of manifests) {
    if (wishes.channel !== undefined && manifest.channel !== wishes.channel)
      throw new CliError(
        "rejected",
        `the file is for channel ${manifest.channel}, not ${wishes.channel} as --channel says`,
      );
    if (wishes.revision !== undefined && manifest.revision !== wishes.revision)
      throw new CliError(
        "rejected",
        `the file is ${revisionText(manifest.revision)}, not ${revisionText(wishes.revision)} as --revision says`,
      );
    if (manifest.notAfterS !== 0n && Number(manifest.notAfterS) * 1000 <= nowMs)
      throw new CliError("rejected", "the manifest has expired; prepare it again");
  }
}

/** Shows all of it; what nothing proves has to be typed. */
async function expectLeave(
  { preview, provenHead }: FileView,
  wishes: SigningWishes,
  { output, ask }: SigningMeans,
): Promise<void> {
  const name = revisionText(preview.revision);
  const doubt = doubtOf(preview.revision, provenHead, wishes.revision);
  output.show(previewText(preview, output.paintNote));
  if (doubt !== undefined) output.warn(doubt);
  if (!ask.possible) {
    if (doubt !== undefined)
      throw new CliError(
        "unproven",
        `${name} is not proven; name the keys that signed before with --public-key, or the number with --revision`,
      );
    if (wishes.yes) return;
    throw new CliError("declined", "there is no terminal to ask on; confirm with --yes");
  }
  if (doubt === undefined && wishes.yes) return;
  const agreed =
    doubt === undefined
      ? await ask.confirm(`Sign ${name} on ${preview.channel}?`)
      : await ask.typed(`Sign ${name} on ${preview.channel} all the same?`, name);
  if (!agreed) throw new CliError("declined", "nothing was signed");
}

/** What speaks against a number; undefined: what was before proves it, or it was asked for. */
function doubtOf(
  revision: bigint,
  provenHead: bigint | undefined,
  requested: bigint | undefined,
): string | undefined {
  if (provenHead === undefined) {
    // The lowest number cannot run ahead of any device.
    if (requested !== undefined || revision === 1n) return undefined;
    return `nothing in the file that your keys prove says what was before ${revisionText(revision)}`;
  }
  const next = nextRevision(provenHead, revision);
  if (next.kind === "not-above")
    throw new CliError(
      "rejected",
      `${revisionText(revision)} is not above ${revisionText(provenHead)}, which your keys signed; prepare it again`,
    );
  if (next.kind === "jump" && requested === undefined)
    return `${revisionText(revision)} is ${next.over} above what was before, and devices never go back`;
  return undefined;
}

function signaturesOf(envelope: Uint8Array): readonly FileSignature[] {
  const decoded = decodeEnvelope(envelope);
  if (!decoded.ok) throw new CliError("rejected", decoded.message);
  return decoded.envelope.signatures;
}
