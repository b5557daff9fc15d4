import { create } from "@bufbuild/protobuf";

import { ManifestSchema, type Manifest } from "../gen/nixota/v1/manifest_pb.ts";
import { publicKeyOf } from "./ed25519.ts";
import type { Policy } from "./policy.ts";

/** A private key for tests: 32 times the same byte. */
export function seedOf(byte: number): Uint8Array {
  return new Uint8Array(32).fill(byte);
}

export const SEED = seedOf(7);
export const PUBLIC_KEY = publicKeyOf(SEED);
/** When the sample was signed, seconds since 1970. */
export const SIGNED_AT = 1_790_000_000n;

/** Values of a manifest to replace. */
export type ManifestValues = Partial<Omit<Manifest, "$typeName" | "$unknown">>;

/** A manifest that the sample policy takes, with some values replaced. */
export function sampleManifest(changes: ManifestValues = {}): Manifest {
  return create(ManifestSchema, {
    schema: 1,
    fleet: "kiosks",
    channel: "prod",
    target: "till",
    revision: 42n,
    system: "x86_64-linux",
    storePath: "/nix/store/0c2hv4rwmf9mjxgnfhwgj5i5ifi6kqfx-nixos-system-till-25.05",
    substituters: ["https://cache.example.org"],
    closureBytes: 1_234_567n,
    closureDigest: new Uint8Array(32).fill(1),
    issuedAtS: SIGNED_AT,
    notAfterS: SIGNED_AT + 1_000n,
    minAgentLevel: 1,
    message: "update the till",
    sourceRevision: "8c1f0f2",
    ...changes,
  });
}

/** A policy in which everything is compared, with some rules replaced. */
export function samplePolicy(changes: Partial<Policy> = {}): Policy {
  return {
    publicKeys: [PUBLIC_KEY],
    threshold: 1,
    agentLevel: 1,
    fleet: "kiosks",
    channel: "prod",
    target: "till",
    system: "x86_64-linux",
    substituters: { allowHttp: false, allowFile: false, allowed: ["https://cache.example.org"] },
    trustedTimeS: SIGNED_AT + 10n,
    floor: { revision: 41n, payloadSha256: new Uint8Array(32).fill(41) },
    quarantine: [],
    ...changes,
  };
}
