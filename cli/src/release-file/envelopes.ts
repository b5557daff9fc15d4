import { ContractError } from "@nix-ota/proto/contract-error";
import { sealPayload } from "@nix-ota/proto/signed-manifest";

import { CliError } from "../cli-error.ts";
import type { FileManifest, ReleaseFile } from "./release-file.ts";

/**
 * The envelopes of a file whose manifests are all signed.
 *
 * @throws {CliError} `rejected` naming one that is not.
 */
export function envelopesOf({
  manifests,
}: ReleaseFile): readonly { target: string; envelope: Uint8Array }[] {
  return manifests.map((one) => ({ target: one.manifest.target, envelope: sealed(one) }));
}

function sealed({ payload, manifest, signatures }: FileManifest): Uint8Array {
  if (signatures.length === 0)
    throw new CliError(
      "rejected",
      `the manifest for ${manifest.target === "" ? "devices without a target" : `target ${manifest.target}`} is not signed; sign the file with nix-ota sign`,
    );
  try {
    return sealPayload(payload, signatures);
  } catch (cause) {
    if (!(cause instanceof ContractError)) throw cause;
    throw new CliError("rejected", `no envelope comes of the file: ${cause.message}`, { cause });
  }
}
