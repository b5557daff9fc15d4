import { sql, type RawBuilder } from "kysely";

import type { DeviceFilter, DeviceQuestion, DeviceTrait } from "./device-filter.ts";
import { CLONED_FOR_MS } from "./device-message.ts";

/**
 * What a filter asks, of `device d` left joined with its `device_status s`.
 *
 * Channel, tag, standing and the beginning of an id are found by indexes. What
 * reports change has none, for an index would make each report write it too:
 * such a term is asked of every device that the others leave, at most the fleet.
 */
export function conditionOf(filter: DeviceFilter, nowMs: number): RawBuilder<boolean> {
  const terms = filter.map((term) => {
    const condition = asked(term, nowMs);
    return term.negated ? sql<boolean>`not (${condition})` : sql<boolean>`(${condition})`;
  });
  return terms.length === 0 ? sql<boolean>`true` : sql<boolean>`${sql.join(terms, sql` and `)}`;
}

/** True or false for every device, never null, so that `not` means the others. */
function asked(question: DeviceQuestion, nowMs: number): RawBuilder<unknown> {
  switch (question.key) {
    case "channel":
      return sql`d.channel = ${question.value}`;
    case "target":
      return sql`d.target = ${question.value}`;
    case "system":
      return sql`d.system = ${question.value}`;
    case "tag":
      return sql`d.tags @> array[${question.value}::text]`;
    case "standing":
      // Literally, so that the planner sees that the partial index covers it.
      return sql`d.standing = ${sql.lit(question.value)}`;
    case "id":
      return question.isPrefix ? begins(question.value) : sql`d.id = ${question.value}`;
    case "state":
      return sql`coalesce(s.state, 0) = ${question.value}`;
    case "outcome":
      return sql`exists (select from attempt a where a.device_id = d.id
        and a.attempt_id = s.attempt_id and a.outcome = ${question.value})`;
    case "revision":
      return sql`coalesce(s.committed_revision, 0) = ${String(question.value)}::text::bigint`;
    case "seen":
      return seenSince(nowMs - question.withinMs);
    case "unseen":
      return sql`not (${seenSince(nowMs - question.withinMs)})`;
    case "is":
      return TRAITS[question.value](nowMs);
  }
}

const TRAITS = {
  cloned: (nowMs) =>
    sql`coalesce(s.cloned_at > ${new Date(nowMs - CLONED_FOR_MS)}::timestamptz, false)`,
  conflict: () => sql`d.key_conflict_at is not null`,
  pinned: () => sql`d.pinned_revision > 0`,
  behind: () => sql`exists (select from manifest m join channel c on c.name = m.channel
    where m.channel = d.channel and m.target = d.target and m.revision <= c.head_revision
      and m.revision > coalesce(s.committed_revision, 0))`,
} as const satisfies Readonly<Record<DeviceTrait, (nowMs: number) => RawBuilder<unknown>>>;

function seenSince(sinceMs: number): RawBuilder<unknown> {
  return sql`coalesce(s.last_seen_at >= ${new Date(sinceMs)}::timestamptz, false)`;
}

/** A range of the primary key, whose order is that of bytes. */
function begins(prefix: string): RawBuilder<unknown> {
  if (prefix === "") return sql`true`;
  const last = prefix.length - 1;
  const beyond = prefix.slice(0, last) + String.fromCharCode(prefix.charCodeAt(last) + 1);
  return sql`d.id >= ${prefix} and d.id < ${beyond}`;
}
