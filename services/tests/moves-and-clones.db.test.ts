import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { ReportSchema } from "@nix-ota/proto/nixota/v1/device_pb";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { findDevices } from "../src/checkin/device-queries.ts";
import { pinDevice } from "../src/checkin/identity-queries.ts";
import { commitReports } from "../src/checkin/report-queries.ts";
import { reportRow } from "../src/checkin/report-row.ts";
import type { Store } from "../src/db/store.ts";
import type { EnrolmentMode } from "../src/enrolment-mode.ts";
import { DATABASES, openTestStore } from "./databases.testkit.ts";
import { seed } from "./manifests.testkit.ts";

describe.each(DATABASES)("devices that move, and clones, on %s", (kind) => {
  let store: Store;
  let serverDefault: EnrolmentMode = "open";
  beforeAll(async () => {
    store = await openTestStore(kind);
    const enrolments = {
      prod: "token",
      open: "open",
      closed: "token",
      reviewed: "approve",
    } as const;
    for (const [name, enrolment] of Object.entries(enrolments)) {
      const channel = { name, threshold: 1, head_revision: 5n, enrolment };
      await store.db.insertInto("channel").values(channel).execute();
    }
    await store.db.insertInto("channel").values({ name: "unsaid", threshold: 1 }).execute();
    for (const [revision, target, next] of [
      [4, "", "closed"],
      [5, "fridge", "reviewed"],
      [6, "", "reviewed"],
    ] as const) {
      const sha = seed(revision);
      await sql`insert into release (channel, revision, published_by)
        values ('prod', ${revision}, 'ci')`.execute(store.db);
      await sql`insert into manifest (channel, target, revision, envelope, payload_sha256, system,
          store_path, closure_bytes, issued_at_s, not_after_s, message, source_revision, next_channel)
        values ('prod', ${target}, ${revision}, 'x', ${sha}, '', '', 0, 0, 0, '', '', ${next})`.execute(
        store.db,
      );
    }
  });
  afterAll(async () => {
    await store.close();
  });

  const pin = async (id: string, target = "") => {
    const device = { id, publicKey: seed(1), channel: "prod", target, enrolledBy: "open" } as const;
    await pinDevice(store.db, { ...device, standing: "accepted" });
  };
  const report = async (
    deviceId: string,
    sequence: number,
    fields: MessageInitShape<typeof ReportSchema> = {},
    keyEpoch = 1,
  ) => {
    const message = create(ReportSchema, {
      deviceId,
      sequence: BigInt(sequence),
      channel: "prod",
      ...fields,
    });
    const [outcome] = await commitReports(store.db, [reportRow(message, keyEpoch)], serverDefault);
    return outcome?.kind === "refused" ? outcome.standing : outcome?.kind;
  };
  const stored = async (id: string) => {
    const [device] = await findDevices(store.db, { id });
    return device;
  };
  const stands = async (id: string) => {
    const device = await stored(id);
    return `${device?.standing} on ${device?.channel}`;
  };

  test("a device goes to a channel that takes devices openly by itself", async () => {
    await pin("free");
    expect([
      await report("free", 1),
      await report("free", 2, { channel: "open" }),
      await report("free", 3, { channel: "not-there" }),
      await report("free", 4, { channel: "unsaid" }),
    ]).toEqual(Array(4).fill("durable"));
    expect(await stands("free")).toBe("accepted on unsaid");
  });

  test("a device that moves itself onto another channel waits there until it is accepted", async () => {
    await pin("stray");
    await sql`update device set pinned_revision = 3, retry_revision = 3 where id = 'stray'`.execute(
      store.db,
    );
    expect([
      await report("stray", 1),
      await report("stray", 2, { channel: "reviewed", committedRevision: 9n }),
      await report("stray", 3, { channel: "reviewed" }),
      await report("stray", 4),
    ]).toEqual(["durable", "pending", "pending", "pending"]);
    const device = await stored("stray");
    expect(device).toMatchObject({
      channel: "reviewed",
      standing: "pending",
      pinnedRevision: 0n,
      retryRevision: 0n,
    });
    // What it reported from there is not believed yet.
    expect(device?.status).toMatchObject({ sequence: 1n, committedRevision: 0n });
    await sql`update device set standing = 'accepted' where id = 'stray'`.execute(store.db);
    expect(await report("stray", 5, { channel: "reviewed" })).toBe("durable");
    expect(await stands("stray")).toBe("accepted on reviewed");
  });

  test("a channel that does not say lets devices in as the server's default says", async () => {
    const outcomes: (string | undefined)[] = [];
    for (const mode of ["open", "token", "approve"] as const) {
      for (const channel of ["unsaid", "not-there"]) {
        const id = `${mode}-${channel}`;
        await pin(id);
        serverDefault = mode;
        outcomes.push(await report(id, 1, { channel }));
      }
    }
    serverDefault = "open";
    expect(outcomes).toEqual(["durable", "durable", "pending", "pending", "pending", "pending"]);
  });

  test("a manifest up to the head of the channel that it leaves lets a device of its target move", async () => {
    await pin("leaves");
    await pin("fridge", "fridge");
    await pin("not-a-fridge");
    await pin("borrowed", "fridge");
    expect([
      await report("leaves", 1, { channel: "closed" }),
      await report("fridge", 1, { channel: "reviewed", target: "fridge" }),
      // Signed for a release above the head, and for another target.
      await report("not-a-fridge", 1, { channel: "reviewed" }),
      await report("borrowed", 1, { channel: "closed", target: "" }),
    ]).toEqual(["durable", "durable", "pending", "pending"]);
    expect(await stands("leaves")).toBe("accepted on closed");
    // A leave is for one way: back it has none.
    expect(await report("leaves", 2)).toBe("pending");
  });

  test("an older report, from before a move, moves nothing back and parks nobody", async () => {
    await pin("slow");
    expect(await report("slow", 2, { channel: "open" })).toBe("durable");
    expect(await report("slow", 1)).toBe("durable");
    expect(await stands("slow")).toBe("accepted on open");
  });

  test("devices that stray together in another order do not block each other", async () => {
    const ids = Array.from({ length: 200 }, (_, index) => `herd-${index}`);
    for (const id of ids) await pin(id);
    // In a large table rows are looked up one by one, in the order of the batch.
    await sql`insert into device (id, channel, target, standing, public_key)
      select 'many-' || n, 'open', '', 'accepted', ${seed(1)}
        from generate_series(1, 20000) n`.execute(store.db);
    await sql`analyze device`.execute(store.db);
    const batch = ids.map((deviceId) =>
      reportRow(create(ReportSchema, { deviceId, sequence: 1n, channel: "reviewed" }), 1),
    );
    for (let round = 0; round < 5; round += 1) {
      await sql`update device set standing = 'accepted', channel = 'prod'
        where id like 'herd-%'`.execute(store.db);
      await Promise.all(
        [batch, batch.toReversed(), batch, batch.toReversed()].map((rows) =>
          commitReports(store.db, rows, "open"),
        ),
      );
    }
    expect(new Set(await Promise.all(ids.map(stands)))).toEqual(new Set(["pending on reviewed"]));
  });

  const cloned = async (id: string) => (await stored(id))?.status?.clonedAt !== undefined;

  test("a cloned device is seen when the boot before the last one speaks again", async () => {
    await pin("twins");
    const seen: boolean[] = [];
    for (const [sequence, bootId] of [
      [1, "a"],
      [2, "a"],
      [3, "b"],
      [4, "b"],
      [5, "a"],
    ] as const) {
      await report("twins", sequence, { bootId });
      seen.push(await cloned("twins"));
    }
    expect(seen).toEqual([false, false, false, false, true]);
  });

  test("a cloned device is seen when two boots use one number", async () => {
    await pin("same-number");
    await report("same-number", 7, { bootId: "a" });
    await report("same-number", 7, { bootId: "a" });
    expect(await cloned("same-number")).toBe(false);
    await report("same-number", 7, { bootId: "b" });
    expect(await cloned("same-number")).toBe(true);
    expect((await stored("same-number"))?.status?.sequence).toBe(7n);
  });

  test("a device that reboots, is late, or does not tell its boot is no clone", async () => {
    await pin("reboots");
    let sequence = 10;
    for (const bootId of ["a", "b", "c", "d", "", "e", "", "f"]) {
      await report("reboots", (sequence += 1), { bootId });
    }
    // Sent before the last boots, and on its way since.
    await report("reboots", 12, { bootId: "b" });
    await report("reboots", 14, { bootId: "d" });
    expect(await cloned("reboots")).toBe(false);
  });

  test("a key that was replaced begins without a clone", async () => {
    await pin("rekeyed");
    for (const [sequence, bootId] of [
      [1, "a"],
      [2, "b"],
      [3, "a"],
    ] as const) {
      await report("rekeyed", sequence, { bootId });
    }
    expect(await cloned("rekeyed")).toBe(true);
    await sql`update device set key_epoch = 2 where id = 'rekeyed'`.execute(store.db);
    await report("rekeyed", 1, { bootId: "b" }, 2);
    expect(await cloned("rekeyed")).toBe(false);
    await report("rekeyed", 2, { bootId: "a" }, 2);
    expect(await cloned("rekeyed")).toBe(false);
  });
});
