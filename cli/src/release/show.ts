import { toHex } from "@nix-ota/proto/hash";
import type { Release, ReleaseManifest } from "@nix-ota/proto/nixota/v1/release_pb";

import { byteText, relativeTime, revisionText } from "../amounts.ts";
import type { Host } from "../host.ts";
import { momentMs, momentText } from "../moment.ts";
import type { Output } from "../output.ts";
import { fieldsText } from "../print-fields.ts";
import { parseRevision } from "../revision-argument.ts";
import { outcomesText } from "../rollout/outcomes.ts";
import { rolloutStateText } from "../rollout/state.ts";
import { answerOf, given } from "../server-error.ts";
import { channelOf, openSession, type SessionOptions } from "../session.ts";
import { shellWord } from "../shell-word.ts";
import { safeText } from "../terminal-text.ts";
import { releaseDocument } from "./document.ts";

/** Prints one release: the named one, else the channel's head. */
export async function showRelease(
  revision: string | undefined,
  options: SessionOptions & { channel?: string | undefined },
  host: Host,
): Promise<void> {
  const wanted = revision === undefined ? 0n : parseRevision(revision);
  const { server, output, context } = await openSession(options, host);
  const request = { channel: channelOf(options, context), revision: wanted };
  const answer = await answerOf(server.publish.getRelease(request), server.url);
  const release = given(answer.release, server.url);
  output.result(releaseDocument(release), () => releaseText(release, host.now(), output));
  output.note(
    `as the server says; nix-ota verify --channel ${shellWord(release.channel)} --revision ${release.revision} --public-key <key> proves it`,
  );
}

function releaseText(release: Release, nowMs: number, output: Output): string {
  const fields: [string, string][] = [
    ["release", `${safeText(release.channel)} ${revisionText(release.revision)}`],
    ["published", publishedText(release, nowMs)],
    ["rollout", rolloutStateText(release.rollout, output)],
    ["because", safeText(release.rollout?.explanation ?? "")],
    ["devices", outcomesText(release.outcomes, output)],
  ];
  const manifests = release.manifests.map((manifest) =>
    fieldsText(manifestFields(manifest), output),
  );
  return [fieldsText(fields, output), ...manifests].join("\n\n");
}

function manifestFields(manifest: ReleaseManifest): [string, string][] {
  const fields: [string, string][] = [
    ["target", manifest.target || "devices without one"],
    ["path", manifest.storePath],
    ["system", manifest.system],
    ["closure", byteText(manifest.closureBytes)],
    ["contents", manifest.closureDigest.length === 0 ? "not pinned" : "pinned by their hashes"],
    ["signed", dateText(manifest.issuedAtS)],
    ["expires", dateText(manifest.notAfterS)],
    ["signed by", manifest.keyIds.map((id) => `key id ${toHex(id)}`).join(", ")],
    ["message", manifest.message],
    ["source", manifest.sourceRevision],
  ];
  return fields.map(([name, value]) => [name, safeText(value)]);
}

function publishedText({ publishedAt, publishedBy }: Release, nowMs: number): string {
  const by = publishedBy === "" ? "" : ` by ${safeText(publishedBy)}`;
  const at = momentText(publishedAt);
  return at === null ? "" : `${relativeTime(momentMs(publishedAt), nowMs)}${by} (${at})`;
}

/** Seconds as the manifest has them, 0: not set; a number that no calendar has stays one. */
function dateText(seconds: bigint): string {
  if (seconds === 0n) return "";
  const date = new Date(Number(seconds) * 1000);
  return Number.isNaN(date.getTime()) ? `${seconds} s` : date.toISOString();
}
