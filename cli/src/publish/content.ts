import { create } from "@bufbuild/protobuf";
import { sameBytes } from "@nix-ota/proto/bytes";
import { ManifestSchema, type Manifest } from "@nix-ota/proto/nixota/v1/manifest_pb";

/** A plain manifest asks nothing of an agent that the first one could not do. */
const NEEDED_AGENT_LEVEL = 1;

/** What a manifest says apart from its number and the time of signing. */
export interface Content {
  fleet: string;
  channel: string;
  target: string;
  system: string;
  storePath: string;
  substituters: readonly string[];
  closureBytes: bigint;
  /** 32 bytes, or empty: not pinned. */
  closureDigest: Uint8Array;
  /** Seconds since 1970 UTC, 0: never expires. */
  notAfterS: bigint;
  message: string;
  sourceRevision: string;
}

/** The manifest that states the content as of a revision. */
export function manifestOf(content: Content, revision: bigint, nowMs: number): Manifest {
  return create(ManifestSchema, {
    ...content,
    substituters: [...content.substituters],
    schema: 1,
    revision,
    issuedAtS: BigInt(Math.trunc(nowMs / 1000)),
    minAgentLevel: NEEDED_AGENT_LEVEL,
  });
}

/**
 * Whether publishing the content again would change nothing for any device. What is for people
 * (message, source revision) does not count: a pipeline that runs twice makes one release.
 */
export function isSameContent(manifest: Manifest, content: Content): boolean {
  return (
    manifest.fleet === content.fleet &&
    manifest.channel === content.channel &&
    manifest.target === content.target &&
    manifest.system === content.system &&
    manifest.storePath === content.storePath &&
    manifest.substituters.join(" ") === content.substituters.join(" ") &&
    manifest.closureBytes === content.closureBytes &&
    sameBytes(manifest.closureDigest, content.closureDigest) &&
    manifest.notAfterS === content.notAfterS
  );
}
