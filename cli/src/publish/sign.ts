import { UNCHECKED, openManifest, signManifest } from "@nix-ota/proto";
import { publicHalf, type SecretKey } from "@nix-ota/proto/key-file";
import type { Manifest } from "@nix-ota/proto/nixota/v1/manifest_pb";
import { ANY_SUBSTITUTER } from "@nix-ota/proto/substituter-url";

import { CliError } from "../cli-error.ts";

/** A manifest as it travels. */
export interface Signed {
  envelope: Uint8Array;
  payloadSha256: Uint8Array;
}

/** Signs, and puts what came of it before the gate that devices have: no surprise comes later. */
export function sign(manifest: Manifest, keys: readonly SecretKey[]): Signed {
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
