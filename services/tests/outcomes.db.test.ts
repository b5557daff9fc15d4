import fc from "fast-check";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import type { Store } from "../src/db/store.ts";
import { findSilence, NO_OUTCOMES, outcomesOf } from "../src/publish/outcome-queries.ts";
import { DATABASES, openTestStore } from "./databases.testkit.ts";

const REVISIONS = 4;
const MINUTE = 60;
const TIMEOUT_S = 60 * MINUTE;
/** Seconds ago at which revision 1, 2 … was published. */
const PUBLISHED = [400, 300, 200, 100].map((minutes) => minutes * MINUTE);
const VERDICTS: Readonly<Record<number, "applied" | "rolledBack" | "failed">> = {
  1: "applied",
  2: "rolledBack",
  3: "failed",
  7: "failed",
};

const device = fc.record({
  target: fc.constantFrom("", "", "a", "b"),
  standing: fc.constantFrom("accepted", "accepted", "accepted", "pending", "revoked"),
  channel: fc.constantFrom("here", "here", "here", "here", "there"),
  pinned: fc.constantFrom(0, 0, 0, 2),
  /** Undefined: never reported. */
  status: fc.option(
    fc.record({
      committed: fc.integer({ min: 0, max: REVISIONS }),
      seenS: fc.integer({ min: 0, max: 500 * MINUTE }),
    }),
    { nil: undefined },
  ),
  attempts: fc.array(
    fc.record({
      revision: fc.integer({ min: 1, max: REVISIONS }),
      outcome: fc.integer({ min: 0, max: 7 }),
      channel: fc.constantFrom("here", "here", "here", "there"),
    }),
    { maxLength: 4 },
  ),
});
const world = fc.record({
  /** Targets of revision 1, 2 … */
  targets: fc.array(fc.subarray(["", "a"], { minLength: 1 }), {
    minLength: REVISIONS,
    maxLength: REVISIONS,
  }),
  /** For each revision, seconds ago at which its rollout was paused; undefined: it runs. */
  rolloutPaused: fc.array(fc.option(fc.integer({ min: 0, max: 90 * MINUTE }), { nil: undefined }), {
    minLength: REVISIONS,
    maxLength: REVISIONS,
  }),
  channelPaused: fc.boolean(),
  /** Seconds ago at which the channel was paused or resumed last. */
  pauseChangedS: fc.constantFrom(500 * MINUTE, 500 * MINUTE, 80 * MINUTE),
  devices: fc.array(device, { minLength: 10, maxLength: 40 }),
});
type World = typeof world extends fc.Arbitrary<infer T> ? T : never;

/** Device by device, as the contract says it. */
function counted({ targets, rolloutPaused, channelPaused, pauseChangedS, devices }: World) {
  return Array.from({ length: REVISIONS }, (_, index) => {
    const revision = index + 1;
    const counts = { ...NO_OUTCOMES };
    for (const one of devices) {
      const newest = one.attempts.findLast(
        (attempt) => attempt.channel === "here" && attempt.revision === revision,
      )?.outcome;
      const verdict = newest === undefined ? undefined : VERDICTS[newest];
      if (verdict !== undefined) {
        counts[verdict] += 1n;
        continue;
      }
      const member = one.channel === "here" && one.standing === "accepted";
      if (!member || targets[index]?.includes(one.target) !== true) continue;
      const committed = one.status?.committed ?? 0;
      if (committed === revision) counts.applied += 1n;
      if (committed >= revision || (one.pinned > 0 && one.pinned < revision)) continue;
      const next = targets.findIndex((some, later) => later > index && some.includes(one.target));
      const silent =
        one.status !== undefined &&
        one.status.seenS > TIMEOUT_S &&
        one.status.seenS <= (PUBLISHED[index] ?? 0) &&
        one.status.seenS > (rolloutPaused[index] ?? -1) &&
        (next < 0
          ? channelPaused
            ? one.status.seenS > pauseChangedS
            : one.status.seenS <= pauseChangedS
          : one.status.seenS > (PUBLISHED[next] ?? 0));
      counts[silent ? "silent" : newest === 0 ? "inProgress" : "outstanding"] += 1n;
    }
    return counts;
  });
}

describe.each(DATABASES)("outcomes on %s", (kind) => {
  let store: Store;
  beforeAll(async () => {
    store = await openTestStore(kind);
  });
  afterAll(async () => {
    await store.close();
  });

  async function build(one: World): Promise<void> {
    const run = async (query: ReturnType<typeof sql>) => await query.execute(store.db);
    await run(sql`delete from rollout`);
    await run(sql`delete from manifest`);
    await run(sql`delete from release`);
    await run(sql`delete from channel`);
    await run(sql`delete from device`);
    await run(sql`insert into channel (name, threshold, head_revision, paused, pause_changed_at)
      values ('here', 1, ${REVISIONS}, ${one.channelPaused}, ${ago(one.pauseChangedS)})`);
    for (const [index, targets] of one.targets.entries()) {
      const revision = index + 1;
      const published = ago(PUBLISHED[index] ?? 0);
      const paused = one.rolloutPaused[index];
      await run(sql`insert into release (channel, revision, published_by, published_at)
        values ('here', ${revision}, 'ci', ${published})`);
      await run(sql`insert into rollout (channel, revision, state, changed_at, offered_since)
        values ('here', ${revision}, ${paused === undefined ? "running" : "paused"},
                ${ago(paused ?? 0)}, ${published})`);
      for (const target of targets) {
        await run(sql`insert into manifest (channel, target, revision, envelope, payload_sha256,
            system, store_path, closure_bytes, issued_at_s, not_after_s, message, source_revision)
          values ('here', ${target}, ${revision}, 'x', sha256(${`${target} ${revision}`}::text::bytea),
                  '', '', 0, 0, 0, '', '')`);
      }
    }
    for (const [index, { status, attempts, ...row }] of one.devices.entries()) {
      const id = `d${index}`;
      await run(sql`insert into device (id, channel, target, standing, public_key, pinned_revision)
        values (${id}, ${row.channel}, ${row.target}, ${row.standing}, sha256('k'), ${row.pinned})`);
      if (status !== undefined) {
        await run(sql`insert into device_status (device_id, key_epoch, sequence, boot_id, state,
            running, booted, profile, floor_revision, floor_sha256, committed_revision,
            agent_version, agent_level, pinned_key_ids, quarantined_revisions, last_seen_at)
          values (${id}, 1, 1, '', 0, '', '', '', 0, '', ${status.committed}, '', 1, '{}', '{}',
                  ${ago(status.seenS)})`);
      }
      for (const [place, attempt] of attempts.entries()) {
        await run(sql`insert into attempt (device_id, attempt_id, channel, revision, outcome,
            failure_code, detail, first_reported_at)
          values (${id}, ${`${9 - place}`}, ${attempt.channel}, ${attempt.revision},
                  ${attempt.outcome}, 0, '', ${ago(1000 - place)})`);
      }
    }
  }
  // By the database's clock, half a second off so that no edge is met.
  const ago = (seconds: number) => sql`now() - ${seconds + 0.5}::float8 * interval '1 second'`;

  test("every device counts once, where the contract puts it", async () => {
    await fc.assert(
      fc.asyncProperty(world, async (one) => {
        await build(one);
        const revisions = Array.from({ length: REVISIONS }, (_, index) => BigInt(index + 1));
        const outcomes = await outcomesOf(store.db, "here", revisions);
        const expected = counted(one);
        expect(revisions.map((revision) => outcomes.get(revision) ?? NO_OUTCOMES)).toEqual(
          expected,
        );
        let silentAtHead = 0n;
        for (const index of one.devices.keys()) {
          const silence = await findSilence(store.db, `d${index}`);
          if (silence?.revision === BigInt(REVISIONS)) silentAtHead += 1n;
        }
        expect(silentAtHead).toBe(expected.at(-1)?.silent);
      }),
      { numRuns: 12 },
    );
  });
});
