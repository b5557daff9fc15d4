import type { AuditEntry } from "@nix-ota/proto/nixota/v1/access_service_pb";

import { countOf, relativeTime } from "../amounts.ts";
import { parseCount } from "../count-argument.ts";
import { parseSince } from "../deadline.ts";
import type { Host } from "../host.ts";
import { momentMs, momentText } from "../moment.ts";
import { readPages } from "../pages.ts";
import { answerOf } from "../server-error.ts";
import { openSession, type SessionOptions } from "../session.ts";
import { renderTable } from "../table.ts";
import { safeText } from "../terminal-text.ts";
import { changeText, parsedJson } from "./audit-change.ts";

/** Most that the server gives at once. */
const PAGE_SIZE = 500;

interface AuditOptions extends SessionOptions {
  actor: string;
  subject: string;
  since?: string | undefined;
  limit: string;
}

/** Prints what operators changed, the latest first. */
export async function listAudit(options: AuditOptions, host: Host): Promise<void> {
  const limit = parseCount("--limit", options.limit, 1, 100_000);
  const sinceMs = options.since === undefined ? 0 : parseSince(options.since, host.now());
  const { server, output } = await openSession(options, host);
  const { items, more } = await readPages(limit, async (cursor) => {
    const { actor, subject: subjectPrefix } = options;
    const request = { actor, subjectPrefix, cursor, pageSize: Math.min(PAGE_SIZE, limit) };
    const answer = await answerOf(server.access.listAuditEntries(request), server.url);
    const recent = answer.entries.filter(({ at }) => (momentMs(at) ?? 0) >= sinceMs);
    // They come newest first: behind the first that is too old there are only older ones.
    const isEnd = recent.length < answer.entries.length;
    return { items: recent, nextCursor: isEnd ? "" : answer.nextCursor };
  });
  output.result({ entries: items.map(auditDocument), truncated: more }, () =>
    items.length === 0 ? emptyText(options) : auditTable(items, host.now(), output.tableStyle()),
  );
  if (more)
    output.note(`only the latest ${countOf(items.length, "change")}; see more with --limit`);
}

function emptyText({ actor, subject, since }: AuditOptions): string {
  const isNarrowed = actor !== "" || subject !== "" || since !== undefined;
  return isNarrowed
    ? "no such changes; see more without --actor, --subject or --since"
    : "nothing was changed by an operator yet";
}

function auditTable(
  entries: readonly AuditEntry[],
  nowMs: number,
  style: Parameters<typeof renderTable>[2],
): string {
  return renderTable(
    [
      { title: "WHEN" },
      { title: "ACTOR" },
      { title: "SUBJECT" },
      { title: "FROM", spare: 1 },
      { title: "WHAT" },
    ],
    entries.map((entry) => [
      relativeTime(momentMs(entry.at), nowMs),
      safeText(entry.actor),
      safeText(entry.subject) || "–",
      safeText(entry.address) || "–",
      safeText(whatText(entry), 200),
    ]),
    style,
  );
}

function whatText({ action, beforeJson, afterJson }: AuditEntry): string {
  const change = changeText(beforeJson, afterJson);
  return change === "" ? action : `${action}: ${change}`;
}

function auditDocument(entry: AuditEntry) {
  return {
    at: momentText(entry.at),
    actor: entry.actor,
    action: entry.action,
    subject: entry.subject,
    address: entry.address,
    before: parsedJson(entry.beforeJson),
    after: parsedJson(entry.afterJson),
  };
}
