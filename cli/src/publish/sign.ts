import { toBinary } from "@bufbuild/protobuf";
import { UNCHECKED, openManifest } from "@nix-ota/proto";
import { ContractError } from "@nix-ota/proto/contract-error";
import { keyId } from "@nix-ota/proto/key-file";
import { ManifestSchema, type Manifest } from "@nix-ota/proto/nixota/v1/manifest_pb";
import { preAuthEncoding } from "@nix-ota/proto/pae";
import { MANIFEST_TYPE, sealPayload, uniteSignatures } from "@nix-ota/proto/signed-manifest";
import { ANY_SUBSTITUTER } from "@nix-ota/proto/substituter-url";

import { CliError } from "../cli-error.ts";
import type { Signer } from "../signing/signer.ts";

/** A manifest as it travels. */
export interface Signed {
  envelope: Uint8Array;
  payloadSha256: Uint8Array;
}

/** Signs, and puts what came of it before the gate that devices have: no surprise comes later. */
export async function sign(manifest: Manifest, signers: readonly Signer[]): Promise<Signed> {
  return signPayload(toBinary(ManifestSchema, manifest), manifest, signers);
}

/**
 * Signs a payload as it is, which holds `manifest`.
 *
 * @throws {CliError} `rejected` when devices would refuse what comes of it, `key` when a signer
 *   does not sign.
 */
export async function signPayload(
  payload: Uint8Array,
  manifest: Manifest,
  signers: readonly Signer[],
): Promise<Signed> {
  const message = preAuthEncoding(MANIFEST_TYPE, payload);
  const signatures: { keyId: Uint8Array; signature: Uint8Array }[] = [];
  // One after the other: each may ask somebody to touch a token.
  for (const signer of signers)
    signatures.push({ keyId: keyId(signer.publicKey), signature: await signer.sign(message) });
  const envelope = sealed(() => sealPayload(payload, signatures));
  const verdict = openManifest(envelope, {
    publicKeys: signers.map(({ publicKey }) => publicKey),
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

/**
 * One envelope with the signatures of two over one payload.
 *
 * @throws {CliError} `rejected` when that is more than one carries.
 */
export function unite(a: Uint8Array, b: Uint8Array): Uint8Array {
  return sealed(() => uniteSignatures(a, b));
}

function sealed(make: () => Uint8Array): Uint8Array {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof ContractError)) throw error;
    throw new CliError("rejected", `no envelope comes of it: ${error.message}`, { cause: error });
  }
}
