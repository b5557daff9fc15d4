import { MANIFEST_TYPE, MAX_SIGNATURES, decodeEnvelope } from "@nix-ota/proto/signed-manifest";

import { CliError } from "../cli-error.ts";
import { readBytes, readFileBounded } from "../read-file.ts";
import {
  RELEASE_FILE_LIMIT_BYTES,
  parseReleaseFile,
  sameManifests,
  type FileManifest,
  type FileSignature,
  type ReleaseFile,
} from "./release-file.ts";
import { readSoundManifest } from "./sound-manifest.ts";

const REMEDY = "name a file of nix-ota prepare, or an envelope";

/** Whether a file begins as a release file does; an envelope begins otherwise. */
export async function isReleaseFile(file: string): Promise<boolean> {
  const [first] = await readBytes(file, 0, REMEDY);
  return first === "{".charCodeAt(0);
}

/**
 * Reads a release file, or an envelope as a release of one manifest without listing.
 *
 * @throws {CliError} `file`, or `rejected` when it is neither.
 */
export async function readRelease(file: string): Promise<ReleaseFile> {
  if (await isReleaseFile(file))
    return parseReleaseFile(await readFileBounded(file, RELEASE_FILE_LIMIT_BYTES, REMEDY), file);
  return { manifests: [await readOne(file)], before: [], listings: new Map() };
}

/**
 * One release of several files, with all their signatures.
 *
 * @throws {CliError} `rejected` when they hold different manifests.
 */
export async function readMerged(files: readonly string[]): Promise<ReleaseFile> {
  const [first, ...others] = files;
  if (first === undefined) throw new CliError("usage", "no file is named; give --from");
  let merged = await readRelease(first);
  for (const file of others) {
    const next = await readRelease(file);
    if (!sameManifests(merged, next))
      throw new CliError(
        "rejected",
        `${first} and ${file} hold different manifests; give files that come of one nix-ota prepare`,
      );
    merged = {
      manifests: merged.manifests.map((one, index) => ({
        ...one,
        signatures: united(one.signatures, next.manifests[index]?.signatures ?? []),
      })),
      before: merged.before.length > 0 ? merged.before : next.before,
      listings: new Map([...merged.listings, ...next.listings]),
    };
  }
  return merged;
}

/**
 * The signatures of both, each once.
 *
 * @throws {CliError} `rejected` when they are more than an envelope carries.
 */
export function united(
  a: readonly FileSignature[],
  b: readonly FileSignature[],
): readonly FileSignature[] {
  const name = ({ keyId, signature }: FileSignature): string =>
    `${keyId.join()} ${signature.join()}`;
  const all = new Map([...a, ...b].map((one) => [name(one), one]));
  if (all.size > MAX_SIGNATURES)
    throw new CliError(
      "rejected",
      `${all.size} signatures are over the ${MAX_SIGNATURES} that a manifest carries`,
    );
  return [...all.values()];
}

async function readOne(file: string): Promise<FileManifest> {
  const bytes = await readBytes(file, 24 * 1024, REMEDY);
  const decoded = decodeEnvelope(bytes);
  if (!decoded.ok || decoded.envelope.payloadType !== MANIFEST_TYPE)
    throw new CliError(
      "rejected",
      `${file} is neither a release file nor the envelope of a manifest; ${REMEDY}`,
    );
  const { payload, signatures } = decoded.envelope;
  const read = readSoundManifest(payload);
  if (!read.ok) throw new CliError("rejected", `${file} holds no sound manifest: ${read.why}`);
  return { payload, manifest: read.manifest, signatures };
}
