import { create } from "@bufbuild/protobuf";
import { ReportSchema } from "@nix-ota/proto/nixota/v1/device_pb";
import fc from "fast-check";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { pinDevice } from "../src/checkin/identity-queries.ts";
import { commitReports } from "../src/checkin/report-queries.ts";
import { reportRow } from "../src/checkin/report-row.ts";
import type { Store } from "../src/db/store.ts";
import { DATABASES, openTestStore } from "./databases.testkit.ts";
import { seed } from "./manifests.testkit.ts";

const hex = (number: number) => number.toString(16).padStart(32, "0");

/** What comes: a report under a key of then, or the device is reimaged and gets another key. */
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      device: fc.integer({ min: 0, max: 1 }),
      /** How many keys ago the session was opened. */
      keysAgo: fc.constantFrom(0, 0, 0, 1),
      sequence: fc.integer({ min: 1, max: 6 }),
      /** Two machines, where a device was cloned. */
      boot: fc.constantFrom("boot-1", "boot-2"),
      event: fc.integer({ min: 1, max: 4 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ reimaged: fc.integer({ min: 0, max: 1 }) }) },
);
const story = fc.array(step, { minLength: 4, maxLength: 24 });

describe.each(DATABASES)("the order of reports on %s", (kind) => {
  let store: Store;
  let stories = 0;
  beforeAll(async () => {
    store = await openTestStore(kind);
  });
  afterAll(async () => {
    await store.close();
  });

  const pin = async (id: string) => {
    const device = { id, publicKey: seed(1), channel: "prod", target: "", enrolledBy: "open" };
    await pinDevice(store.db, { ...device, standing: "accepted", enrolledBy: "open" });
  };
  /** The running system tells reports apart. */
  const row = (
    deviceId: string,
    report: { keyEpoch: number; sequence: number; boot: string; event: number; running: string },
  ) =>
    reportRow(
      create(ReportSchema, {
        deviceId,
        sequence: BigInt(report.sequence),
        bootId: report.boot,
        channel: "prod",
        links: { running: report.running },
        events: [{ id: hex(report.event), number: BigInt(report.event) }],
      }),
      report.keyEpoch,
    );
  const stored = async (id: string) => {
    const { rows } = await sql<{ running: string; sequence: bigint; key_epoch: number }>`
      select running, sequence, key_epoch from device_status where device_id = ${id}`.execute(
      store.db,
    );
    const { rows: events } = await sql<{ event_id: string }>`
      select event_id from device_event where device_id = ${id} order by event_id`.execute(
      store.db,
    );
    return { status: rows[0], events: events.map(({ event_id }) => event_id) };
  };

  test("whatever comes late, twice, from a reimaged device or from its clone, the newest of the newest key stands", async () => {
    await fc.assert(
      fc.asyncProperty(story, async (steps) => {
        stories += 1;
        const ids = [0, 1].map((index) => `story-${stories}-${index}`);
        for (const id of ids) await pin(id);
        const model = ids.map(() => ({
          epoch: 1,
          newest: undefined as undefined | { epoch: number; sequence: number; running: string },
          events: new Set<string>(),
        }));
        for (const [number, one] of steps.entries()) {
          if ("reimaged" in one) {
            const id = ids[one.reimaged] ?? "";
            await sql`update device set key_epoch = key_epoch + 1 where id = ${id}`.execute(
              store.db,
            );
            model[one.reimaged]!.epoch += 1;
            continue;
          }
          const [id, known] = [ids[one.device] ?? "", model[one.device]!];
          const keyEpoch = Math.max(1, known.epoch - one.keysAgo);
          const running = `${number}`;
          const [outcome] = await commitReports(
            store.db,
            [row(id, { ...one, keyEpoch, running })],
            "open",
          );
          if (keyEpoch !== known.epoch) {
            expect(outcome).toEqual({ kind: "key-replaced" });
            continue;
          }
          const { newest } = known;
          const isNewest =
            newest === undefined ||
            newest.epoch < keyEpoch ||
            (newest.epoch === keyEpoch && newest.sequence < one.sequence);
          if (isNewest) known.newest = { epoch: keyEpoch, sequence: one.sequence, running };
          known.events.add(hex(one.event));
          expect(outcome).toMatchObject({
            kind: "durable",
            sequence: BigInt(known.newest?.sequence ?? 0),
          });
        }
        for (const [index, id] of ids.entries()) {
          const { newest, events } = model[index]!;
          expect(await stored(id)).toEqual({
            status: newest && {
              running: newest.running,
              sequence: BigInt(newest.sequence),
              key_epoch: newest.epoch,
            },
            events: [...events].toSorted(),
          });
        }
      }),
      { numRuns: 40 },
    );
  });

  test("reports that come all at once, in any order and doubled, leave the newest", async () => {
    const numbers = fc.uniqueArray(fc.integer({ min: 1, max: 50 }), { minLength: 2, maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(numbers, async (sequences) => {
        stories += 1;
        const id = `storm-${stories}`;
        await pin(id);
        const rows = [...sequences, ...sequences.slice(0, 3)].map((sequence) =>
          row(id, { keyEpoch: 1, sequence, boot: "", event: sequence, running: `${sequence}` }),
        );
        await Promise.all(rows.map(async (one) => await commitReports(store.db, [one], "open")));
        const newest = Math.max(...sequences);
        expect(await stored(id)).toEqual({
          status: { running: `${newest}`, sequence: BigInt(newest), key_epoch: 1 },
          events: sequences.map(hex).toSorted(),
        });
      }),
      { numRuns: 15 },
    );
  });
});
