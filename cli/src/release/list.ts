import { toHex } from "@nix-ota/proto/hash";
import type { Release } from "@nix-ota/proto/nixota/v1/release_pb";
import { RolloutStateSchema } from "@nix-ota/proto/nixota/v1/rollout_pb";

import { byteText, countOf, relativeTime, revisionText } from "../amounts.ts";
import type { Server } from "../client.ts";
import { enumText } from "../enum-text.ts";
import type { Host } from "../host.ts";
import { momentMs, momentText } from "../moment.ts";
import type { Output } from "../output.ts";
import { readPages } from "../pages.ts";
import { answerOf } from "../server-error.ts";
import { renderTable } from "../table.ts";
import { safeText, shortenMiddle } from "../terminal-text.ts";

/** Most that the server gives at once. */
const PAGE_SIZE = 200;

/** `/nix/store/`, hash and the start of a name are no news; this much shows both ends. */
const SHOWN_PATH_LENGTH = 56;

/** Prints the releases of a channel, the highest revision first. */
export async function listReleases(
  wishes: { channel: string; limit: number },
  server: Server,
  host: Host,
  output: Output,
): Promise<void> {
  const pageSize = Math.min(PAGE_SIZE, wishes.limit);
  const { items, more } = await readPages(wishes.limit, async (cursor) => {
    const request = { channel: wishes.channel, cursor, pageSize };
    const answer = await answerOf(server.publish.listReleases(request), server.url);
    return { items: answer.releases, nextCursor: answer.nextCursor };
  });
  output.result({ releases: items.map(releaseDocument), truncated: more }, () =>
    items.length === 0
      ? `no releases on ${wishes.channel}; nix-ota publish makes the first`
      : releaseTable(items, host.now(), output),
  );
  if (more)
    output.note(`only the latest ${countOf(items.length, "release")}; see more with --limit`);
}

function releaseTable(releases: readonly Release[], nowMs: number, output: Output): string {
  return renderTable(
    [
      { title: "RELEASE", align: "right" },
      { title: "PUBLISHED" },
      { title: "TARGET" },
      { title: "SIZE", align: "right" },
      { title: "OK", align: "right" },
      { title: "BACK", align: "right" },
      { title: "FAILED", align: "right" },
      { title: "OPEN", align: "right" },
      { title: "ROLLOUT" },
      { title: "PATH" },
      { title: "MESSAGE" },
    ],
    releases.map((release) => rowOf(release, nowMs, output)),
    (title) => output.paint("dim", title),
  );
}

function rowOf(release: Release, nowMs: number, output: Output): string[] {
  const [first] = release.manifests;
  const single = release.manifests.length === 1 ? first : undefined;
  const { applied, rolledBack, failed, inProgress, outstanding } = release.outcomes ?? {};
  const counted = (count: bigint | undefined, colour: "green" | "red"): string => {
    if (count === undefined) return "–";
    return count === 0n ? "0" : output.paint(colour, `${count}`);
  };
  return [
    revisionText(release.revision),
    relativeTime(momentMs(release.publishedAt), nowMs),
    single === undefined
      ? countOf(release.manifests.length, "target")
      : safeText(single.target) || "–",
    single === undefined ? "–" : byteText(single.closureBytes),
    counted(applied, "green"),
    counted(rolledBack, "red"),
    counted(failed, "red"),
    inProgress === undefined ? "–" : `${inProgress + (outstanding ?? 0n)}`,
    enumText(RolloutStateSchema, release.rollout?.state ?? 0).replaceAll("_", " ") || "–",
    shortenMiddle(safeText(first?.storePath ?? ""), SHOWN_PATH_LENGTH),
    safeText(first?.message ?? "", 60),
  ];
}

function releaseDocument(release: Release) {
  const { outcomes } = release;
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
      message: manifest.message,
      sourceRevision: manifest.sourceRevision,
    })),
    rollout: enumText(RolloutStateSchema, release.rollout?.state ?? 0),
    outcomes: {
      applied: Number(outcomes?.applied ?? 0n),
      rolledBack: Number(outcomes?.rolledBack ?? 0n),
      failed: Number(outcomes?.failed ?? 0n),
      inProgress: Number(outcomes?.inProgress ?? 0n),
      outstanding: Number(outcomes?.outstanding ?? 0n),
    },
  };
}
