import type { DiffReleasesResponse } from "@nix-ota/proto/nixota/v1/publish_service_pb";
import type { PackageChange } from "@nix-ota/proto/nixota/v1/release_pb";

import { byteChangeText, countOf, revisionText } from "../amounts.ts";
import { CliError } from "../cli-error.ts";
import type { Host } from "../host.ts";
import { parseName } from "../name-argument.ts";
import type { Output } from "../output.ts";
import { parseRevision } from "../revision-argument.ts";
import { answerOf } from "../server-error.ts";
import { channelOf, openSession, type SessionOptions } from "../session.ts";
import { renderTable } from "../table.ts";
import { safeText } from "../terminal-text.ts";

interface DiffOptions extends SessionOptions {
  channel?: string | undefined;
  target: string;
}

/**
 * Prints what changes between two releases: without any, what the head changed; with one, from it
 * to the head.
 */
export async function diffReleases(
  before: string | undefined,
  after: string | undefined,
  options: DiffOptions,
  host: Host,
): Promise<void> {
  if (options.target !== "") parseName("--target", options.target);
  const [beforeRevision, afterRevision] = [revisionOr0(before), revisionOr0(after)];
  if (beforeRevision !== 0n && beforeRevision === afterRevision)
    throw new CliError("usage", "both revisions are the same; name two");
  const { server, output, context } = await openSession(options, host);
  const channel = channelOf(options, context);
  const request = { channel, target: options.target, beforeRevision, afterRevision };
  const answer = await answerOf(server.publish.diffReleases(request), server.url);
  output.result(diffDocument(answer), () => diffText(answer, output));
}

function revisionOr0(text: string | undefined): bigint {
  return text === undefined ? 0n : parseRevision(text);
}

function diffText(answer: DiffReleasesResponse, output: Output): string {
  const { changes, addedPaths, removedPaths } = answer;
  const step = `${revisionText(answer.beforeRevision)} → ${revisionText(answer.afterRevision)}`;
  const paths = `${countOf(addedPaths, "path")} added, ${removedPaths} removed`;
  if (changes.length === 0) return `${step}: the same versions of all packages; ${paths}`;
  const table = renderTable(
    [
      { title: "PACKAGE" },
      { title: "BEFORE" },
      { title: "AFTER" },
      { title: "SIZE", align: "right" },
    ],
    changes.map((change) => [
      safeText(change.name),
      versionsText(change.versionsBefore),
      versionsText(change.versionsAfter),
      sizeText(change),
    ]),
    output.tableStyle(),
  );
  return `${table}\n\n${step}: ${countOf(changes.length, "package")} changed, ${paths}`;
}

function versionsText(versions: readonly string[]): string {
  if (versions.length === 0) return "–";
  return versions.map((version) => safeText(version) || "(no version)").join(", ");
}

/** Listings hold hashes, not sizes: where the server knows none it says 0. */
function sizeText({ sizeDeltaBytes }: PackageChange): string {
  return sizeDeltaBytes === 0n ? "" : byteChangeText(sizeDeltaBytes);
}

function diffDocument(answer: DiffReleasesResponse) {
  const { changes, addedPaths, removedPaths } = answer;
  return {
    beforeRevision: Number(answer.beforeRevision),
    afterRevision: Number(answer.afterRevision),
    packages: changes.map((change) => ({
      name: change.name,
      before: change.versionsBefore,
      after: change.versionsAfter,
      sizeDeltaBytes: Number(change.sizeDeltaBytes),
    })),
    addedPaths,
    removedPaths,
  };
}
