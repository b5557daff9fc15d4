import { fromBinary } from "@bufbuild/protobuf";
import { sha256, toHex } from "@nix-ota/proto/hash";
import { ManifestSchema, type Manifest } from "@nix-ota/proto/nixota/v1/manifest_pb";
import { MANIFEST_TYPE, decodeEnvelope } from "@nix-ota/proto/signed-manifest";

import { CliError } from "../cli-error.ts";
import type { Output } from "../output.ts";
import type { FileManifest, ReleaseFile } from "../release-file/release-file.ts";
import { renderFields } from "../table.ts";
import { safeText } from "../terminal-text.ts";
import { manifestDocument, manifestFields } from "./manifest-document.ts";

const UNVERIFIED = "nothing of this is verified; nix-ota verify checks who signed it";

/**
 * The manifest in an envelope, without asking who signed it.
 *
 * @throws {CliError} `rejected` when it cannot be read as one.
 */
export function manifestIn(envelope: Uint8Array): Manifest {
  const { payload, payloadType } = opened(envelope);
  return readPayload(payloadType, payload);
}

/**
 * Prints what an envelope says without asking who signed it.
 *
 * @throws {CliError} `rejected` when it cannot be read as one.
 */
export function inspectEnvelope(bytes: Uint8Array, output: Output): void {
  const { payload, payloadType, signatures } = opened(bytes);
  const manifest = readPayload(payloadType, payload);
  const described = describe({ payload, manifest, signatures }, output);
  output.warn(UNVERIFIED);
  output.result({ verified: false, payloadType, ...described.document }, described.text);
}

/** Prints what a release on its way to its signers says. */
export function inspectRelease({ manifests, before }: ReleaseFile, output: Output): void {
  const described = manifests.map((one) => describe(one, output));
  output.warn(UNVERIFIED);
  output.result(
    {
      verified: false,
      manifests: described.map(({ document }) => document),
      beforeCount: before.length,
    },
    () => described.map(({ text }) => text()).join("\n\n"),
  );
}

function describe({ payload, manifest, signatures }: FileManifest, output: Output) {
  const keyIds = signatures.map(({ keyId }) => toHex(keyId));
  const payloadSha256 = toHex(sha256(payload));
  const signed =
    keyIds.length === 0 ? "none yet" : `${keyIds.length}, by key id ${keyIds.join(", ")}`;
  return {
    document: { payloadSha256, claimedKeyIds: keyIds, manifest: manifestDocument(manifest) },
    text: () =>
      renderFields(
        [
          ...manifestFields(manifest),
          ["payload", `sha256 ${payloadSha256}`],
          ["signatures", signed],
        ],
        (name) => output.paint("dim", name),
      ),
  };
}

function opened(bytes: Uint8Array) {
  const decoded = decodeEnvelope(bytes);
  if (!decoded.ok) throw new CliError("rejected", `no envelope: ${decoded.message}`);
  return decoded.envelope;
}

function readPayload(payloadType: string, payload: Uint8Array): Manifest {
  if (payloadType !== MANIFEST_TYPE)
    throw new CliError("rejected", `the envelope holds ${safeText(payloadType, 80)}, no manifest`);
  try {
    return fromBinary(ManifestSchema, payload);
  } catch (error) {
    throw new CliError("rejected", "the payload is no manifest; it was cut or changed", {
      cause: error,
    });
  }
}
