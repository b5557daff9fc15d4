import { create } from "@bufbuild/protobuf";
import { signManifest } from "@nix-ota/proto";
import { publicKeyOf } from "@nix-ota/proto/ed25519";
import { listingDigest, makeListing } from "@nix-ota/proto/listing";
import { ManifestSchema, type Manifest } from "@nix-ota/proto/nixota/v1/manifest_pb";

/** A private seed that is all the same byte. */
export function seed(byte: number): Uint8Array {
  return new Uint8Array(32).fill(byte);
}

export const SEED = seed(7);
export const KEY = publicKeyOf(SEED);

/** A store path that differs by one letter in its hash. */
export function storePath(letter: string): string {
  return `/nix/store/${letter.repeat(32)}-nixos-system-sim-24.11`;
}

/** A manifest with what every one has. */
export function manifest(
  fields: Partial<Omit<Manifest, "$typeName" | "$unknown">> & { revision: bigint },
): Manifest {
  return create(ManifestSchema, {
    schema: 1,
    channel: "prod",
    system: "x86_64-linux",
    storePath: storePath("a"),
    substituters: ["https://cache.example.org"],
    closureBytes: 1_000n,
    issuedAtS: 1_700_000_000n,
    ...fields,
  });
}

/** Its envelope. */
export function envelope(
  fields: Parameters<typeof manifest>[0],
  seeds: readonly Uint8Array[] = [SEED],
): Uint8Array {
  return signManifest(manifest(fields), seeds);
}

/** The listing of a closure that is one path. */
export function listingOf(path: string): { content: Uint8Array; digest: Uint8Array } {
  const content = makeListing([{ path, narHash: `sha256:${"0".repeat(64)}` }]);
  return { content, digest: listingDigest(content) };
}
