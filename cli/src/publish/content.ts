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
  /** What more it allows or demands; undefined: nothing. */
  leave?: Leave | undefined;
}

/** What a manifest allows a closure beyond the ordinary, and which agents it demands. */
export type Leave = Pick<
  Manifest,
  "minAgentLevel" | "nextChannel" | "allowAgentRemoval" | "allowKeyChange"
>;

const PLAIN: Leave = {
  minAgentLevel: NEEDED_AGENT_LEVEL,
  nextChannel: "",
  allowAgentRemoval: false,
  allowKeyChange: false,
};

/** What is signed for a closure that is allowed so much, by an agent of any level. */
export function leaveFor(allowed: Omit<Leave, "minAgentLevel">): Leave {
  return { ...PLAIN, ...allowed };
}

/** The manifest that states the content as of a revision. */
export function manifestOf(
  { leave = PLAIN, ...content }: Content,
  revision: bigint,
  nowMs: number,
): Manifest {
  return create(ManifestSchema, {
    ...content,
    ...leave,
    substituters: [...content.substituters],
    schema: 1,
    revision,
    issuedAtS: BigInt(Math.trunc(nowMs / 1000)),
  });
}

/** The content of a manifest; the inverse of `manifestOf`. */
export function contentOf(manifest: Manifest): Content {
  const { minAgentLevel, nextChannel, allowAgentRemoval, allowKeyChange } = manifest;
  return {
    fleet: manifest.fleet,
    channel: manifest.channel,
    target: manifest.target,
    system: manifest.system,
    storePath: manifest.storePath,
    substituters: manifest.substituters,
    closureBytes: manifest.closureBytes,
    closureDigest: manifest.closureDigest,
    notAfterS: manifest.notAfterS,
    message: manifest.message,
    sourceRevision: manifest.sourceRevision,
    leave: { minAgentLevel, nextChannel, allowAgentRemoval, allowKeyChange },
  };
}

/**
 * Whether publishing the content again would change nothing for any device. What is for people
 * (message, source revision) does not count: a pipeline that runs twice makes one release.
 */
export function isSameContent(manifest: Manifest, content: Content): boolean {
  const leave = content.leave ?? PLAIN;
  return (
    manifest.fleet === content.fleet &&
    manifest.channel === content.channel &&
    manifest.target === content.target &&
    manifest.system === content.system &&
    manifest.storePath === content.storePath &&
    manifest.substituters.join(" ") === content.substituters.join(" ") &&
    manifest.closureBytes === content.closureBytes &&
    sameBytes(manifest.closureDigest, content.closureDigest) &&
    manifest.notAfterS === content.notAfterS &&
    manifest.minAgentLevel === leave.minAgentLevel &&
    manifest.nextChannel === leave.nextChannel &&
    manifest.allowAgentRemoval === leave.allowAgentRemoval &&
    manifest.allowKeyChange === leave.allowKeyChange
  );
}
