import { toHex } from "@nix-ota/proto/hash";
import { listingDigest, makeListing } from "@nix-ota/proto/listing";
import type { Narinfo } from "@nix-ota/proto/narinfo";
import type { Manifest } from "@nix-ota/proto/nixota/v1/manifest_pb";
import { isStorePath } from "@nix-ota/proto/store-path";

import { byteText, countOf } from "../amounts.ts";
import { CliError } from "../cli-error.ts";
import { closureGraph } from "../closure-graph.ts";
import { parsePathInfo } from "../closure.ts";
import { parseCount } from "../count-argument.ts";
import { manifestIn } from "../envelope/inspect.ts";
import { connect, sourceOf, type SourceOptions } from "../envelope/run.ts";
import { readEnvelope, type EnvelopeSource } from "../envelope/source.ts";
import { expectVerified } from "../envelope/verify.ts";
import { fileCache } from "../file-cache.ts";
import type { Host } from "../host.ts";
import { nixCopy, nixPathInfo, nixSign } from "../nix.ts";
import { createOutput, type Output } from "../output.ts";
import { readPublicKey } from "../public-key-argument.ts";
import { beginBundle } from "./folder.ts";

interface BundleOptions extends SourceOptions {
  out: string;
  from?: string | undefined;
  cacheKey?: string | undefined;
  publicKey: string[];
  threshold: string;
}

/** Runs `bundle`. */
export async function runBundle(
  file: string | undefined,
  options: BundleOptions,
  host: Host,
): Promise<void> {
  const output = createOutput(host, options);
  const source = sourceOf(file, options);
  const envelope = await readEnvelope(source, () => connect(options, host, output));
  const manifest = manifestIn(envelope);
  // nix would take it for an installable: evaluate it, and build it.
  if (!isStorePath(manifest.storePath))
    throw new CliError(
      "unproven",
      `the manifest names ${JSON.stringify(manifest.storePath.slice(0, 100))}, which is no path of a store; look who wrote it`,
    );
  expectAsked(source, manifest);
  await expectTrusted(envelope, options, host.now());

  const bundle = await beginBundle(options.out);
  try {
    const closure = await fillCache(bundle.cacheUrl, manifest, options, host.signal, output);
    const listing = makeListing(closure);
    output.note(`bringing all of it to the disk of ${options.out}`);
    await bundle.finish({ envelope, listing }, host.signal);
    const bytes = closure.reduce((sum, { fileSize }) => sum + fileSize, 0);
    const { channel, target, storePath } = manifest;
    const revision = Number(manifest.revision);
    output.result(
      { out: options.out, channel, target, revision, storePath, paths: closure.length, bytes },
      () =>
        `${options.out}: r${revision} of ${channel}, ${countOf(closure.length, "path")}, ${byteText(bytes)}`,
    );
  } finally {
    await bundle.discard();
  }
}

/**
 * A key of a cache signs what the manifest names, so nobody but those who sign manifests may choose
 * that: neither a server nor whoever wrote the file.
 */
async function expectTrusted(
  envelope: Uint8Array,
  { cacheKey, publicKey, threshold }: BundleOptions,
  nowMs: number,
): Promise<void> {
  if (publicKey.length === 0) {
    if (cacheKey === undefined) return;
    throw new CliError(
      "usage",
      "--cache-key signs what the manifest names; give the --public-key that has to have signed it",
    );
  }
  const publicKeys = await Promise.all(publicKey.map(readPublicKey));
  const least = parseCount("--threshold", threshold, 1, publicKeys.length);
  const anything = {
    fleet: undefined,
    channel: undefined,
    target: undefined,
    system: undefined,
    revision: undefined,
  };
  expectVerified(envelope, { publicKeys, threshold: least, ...anything }, nowMs);
}

/** What a server hands out for another question would be found out at the device, far from here. */
function expectAsked(source: EnvelopeSource, manifest: Manifest): void {
  if (source.kind === "file") return;
  const { channel, target, revision } = source;
  const same =
    manifest.channel === channel &&
    manifest.target === target &&
    (revision === 0n || manifest.revision === revision);
  if (!same)
    throw new CliError(
      "unproven",
      `the server answered with r${manifest.revision} of ${JSON.stringify(manifest.channel)} for ${manifest.target === "" ? "devices without a target" : `target ${JSON.stringify(manifest.target)}`}, which was not asked for; look who runs it`,
    );
}

/** The closure as it lies in the new cache. */
async function fillCache(
  cacheUrl: string,
  manifest: Manifest,
  { from, cacheKey }: BundleOptions,
  signal: AbortSignal,
  output: Output,
): Promise<readonly Narinfo[]> {
  const { storePath } = manifest;
  output.note(`copying ${storePath} from ${from ?? "the local store"}`);
  // Quicker to write and to read than xz, which nix would take.
  const stores = { from, to: `${cacheUrl}?compression=zstd` };
  try {
    await nixCopy(storePath, stores, signal, (line) => output.progress(line));
  } catch (error) {
    if (!(error instanceof CliError) || from !== undefined) throw error;
    throw new CliError("store", `${error.message}; build it here, or give --from`, {
      cause: error,
    });
  }
  const question = { paths: [storePath], recursive: true, store: cacheUrl };
  const paths = parsePathInfo(await nixPathInfo(question, signal)).map(({ path }) => path);
  const closureIn = (found: ReadonlyMap<string, Narinfo>) =>
    closureGraph([...found.values()]).closureOf(storePath);
  let found = await fileCache(cacheUrl).lookup(paths, signal);
  expectSigned(makeListing(closureIn(found)), closureIn(found), manifest);
  if (cacheKey !== undefined) {
    await nixSign(storePath, cacheUrl, cacheKey, signal);
    found = await fileCache(cacheUrl).lookup(paths, signal);
  }
  const unsigned = [...found.values()].filter(({ signed }) => !signed);
  if (unsigned[0] !== undefined)
    throw new CliError(
      "cache",
      `${unsigned[0].path}${unsigned.length > 1 ? ` and ${countOf(unsigned.length - 1, "other path")}` : ""} carry no signature, and devices take none without; give --cache-key, or --from with a cache that signs`,
    );
  return closureIn(found);
}

function expectSigned(
  listing: Uint8Array,
  closure: readonly Narinfo[],
  { closureDigest, storePath }: Manifest,
): void {
  if (closure.length === 0) throw new CliError("store", `${storePath} was not copied`);
  if (closureDigest.length === 0) return;
  if (toHex(listingDigest(listing)) === toHex(closureDigest)) return;
  throw new CliError(
    "store",
    `the closure of ${storePath} here is not the one that was signed for, though it has the same name; bundle it where it was built, or give --from`,
  );
}
