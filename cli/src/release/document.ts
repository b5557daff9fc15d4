import { toHex } from "@nix-ota/proto/hash";
import type { Release } from "@nix-ota/proto/nixota/v1/release_pb";
import { RolloutStateSchema } from "@nix-ota/proto/nixota/v1/rollout_pb";

import { enumText } from "../enum-text.ts";
import { momentText } from "../moment.ts";
import { outcomesDocument } from "../rollout/outcomes.ts";

/** A release for a program: every key is always there. */
export function releaseDocument(release: Release) {
  return {
    channel: release.channel,
    revision: Number(release.revision),
    publishedAt: momentText(release.publishedAt),
    publishedBy: release.publishedBy,
    manifests: release.manifests.map((manifest) => ({
      target: manifest.target,
      system: manifest.system,
      storePath: manifest.storePath,
      closureBytes: Number(manifest.closureBytes),
      closureDigest: toHex(manifest.closureDigest),
      payloadSha256: toHex(manifest.payloadSha256),
      keyIds: manifest.keyIds.map(toHex),
      issuedAtS: Number(manifest.issuedAtS),
      notAfterS: Number(manifest.notAfterS),
      message: manifest.message,
      sourceRevision: manifest.sourceRevision,
    })),
    rollout: enumText(RolloutStateSchema, release.rollout?.state ?? 0),
    explanation: release.rollout?.explanation ?? "",
    outcomes: outcomesDocument(release.outcomes),
  };
}
