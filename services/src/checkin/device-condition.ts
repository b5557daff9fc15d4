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
    if (!term.negated) return sql<boolean>`(${condition})`;
    // A device that never reported answers none of these with yes or no.
    if (REPORTED.has(term.key)) return sql<boolean>`(${condition}) is not true`;
    return sql<boolean>`not (${condition})`;
  });
  return terms.length === 0 ? sql<boolean>`true` : sql<boolean>`${sql.join(terms, sql` and `)}`;
}

const REPORTED: ReadonlySet<DeviceQuestion["key"]> = new Set([
  "state",
  "revision",
  "seen",
  "unseen",
  "is",
]);

// Plain comparisons wherever they do: the planner knows how many rows meet one,
// and nothing of what stands inside a function.
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
      // Literally, as the outcome, so that the planner sees that the partial index covers it.
      return sql`d.standing = ${sql.lit(question.value)}`;
    case "id":
      return question.isPrefix ? begins(question.value) : sql`d.id = ${question.value}`;
    case "state":
      if (question.value === 0) return sql`coalesce(s.state, 0) = 0`;
      return sql`s.state = ${question.value}`;
    case "outcome":
      return sql`exists (select from attempt a where a.device_id = d.id
        and a.attempt_id = s.attempt_id and a.outcome = ${sql.lit(question.value)})`;
    case "revision":
      if (question.value === 0n) return sql`coalesce(s.committed_revision, 0) = 0`;
      return sql`s.committed_revision = ${String(question.value)}::text::bigint`;
    case "seen":
      return seenSince(nowMs - question.withinMs);
    case "unseen":
      return sql`(${seenSince(nowMs - question.withinMs)}) is not true`;
    case "is":
      return TRAITS[question.value](nowMs);
  }
}

const TRAITS = {
  cloned: (nowMs) => sql`s.cloned_at > ${new Date(nowMs - CLONED_FOR_MS)}::timestamptz`,
  conflict: () => sql`d.key_conflict_at is not null`,
  pinned: () => sql`d.pinned_revision > 0`,
  // What is newest for a channel and target is found once for all devices.
  behind: () => sql`exists (
    select from (
      select m.channel, m.target, max(m.revision) as revision
        from manifest m join channel c on c.name = m.channel and m.revision <= c.head_revision
       group by m.channel, m.target) newest
     where newest.channel = d.channel and newest.target = d.target
       and newest.revision > coalesce(s.committed_revision, 0))`,
} as const satisfies Readonly<Record<DeviceTrait, (nowMs: number) => RawBuilder<unknown>>>;

function seenSince(sinceMs: number): RawBuilder<unknown> {
  return sql`s.last_seen_at >= ${new Date(sinceMs)}::timestamptz`;
}

/** A range of the primary key, whose order is that of bytes. */
function begins(prefix: string): RawBuilder<unknown> {
  if (prefix === "") return sql`true`;
  const last = prefix.length - 1;
  const beyond = prefix.slice(0, last) + String.fromCharCode(prefix.charCodeAt(last) + 1);
  return sql`d.id >= ${prefix} and d.id < ${beyond}`;
}
