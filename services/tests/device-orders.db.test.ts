import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { publicKeyOf } from "@nix-ota/proto/ed25519";
import { EnrolmentMode } from "@nix-ota/proto/nixota/v1/channel_pb";
import type { UpdateDevicesRequestSchema } from "@nix-ota/proto/nixota/v1/checkin_service_pb";
import { DeviceStanding, ReportSchema } from "@nix-ota/proto/nixota/v1/device_pb";
import { reasonOf } from "@nix-ota/proto/reason";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";

import { forgetDevices } from "../src/checkin/device-change-queries.ts";
import { pinDevice } from "../src/checkin/identity-queries.ts";
import { commitReports } from "../src/checkin/report-queries.ts";
import { reportRow } from "../src/checkin/report-row.ts";
import { createReportWriter } from "../src/checkin/report-writer.ts";
import { isRowFault } from "../src/db/sql-fault.ts";
import type { Store } from "../src/db/store.ts";
import { answerTo } from "../src/errors.ts";
import { LIMITS } from "../src/limits.ts";
import { DATABASES, openTestStore } from "./databases.testkit.ts";
import { envelope, KEY, listingOf, seed, storePath } from "./manifests.testkit.ts";
import { clientsOf, TestDevice, TestServer, type Clients } from "./server.testkit.ts";

type Order = MessageInitShape<typeof UpdateDevicesRequestSchema>;

describe.each(DATABASES)("orders about devices on %s", (kind) => {
  let store: Store;
  let server: TestServer;
  const listing = listingOf(storePath("a"));
  beforeAll(async () => {
    store = await openTestStore(kind);
    server = await TestServer.on(store);
    for (const channel of ["prod", "beta"]) {
      await server.operator.publish.publish({
        envelopes: [envelope({ channel, revision: 1n, closureDigest: listing.digest })],
        listings: [listing.content],
        publicKeys: [{ key: KEY }],
      });
    }
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
  });

  const order = async (fields: Order, by: Clients = server.admin) => {
    const { deviceCount, deviceIds } = await by.checkin.updateDevices(fields);
    return { deviceCount, deviceIds };
  };
  const refusal = async (call: Promise<unknown>) => {
    const error = await call.then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    if (error === undefined) return "served";
    return reasonOf(error)?.reason ?? Code[ConnectError.from(error).code];
  };
  const shown = async (deviceId: string) => {
    const { device } = await server.operator.checkin.getDevice({ deviceId });
    if (device === undefined) throw new Error("no device");
    return device;
  };
  const withScopes = async (...scopes: string[]) => {
    const { secret } = await server.admin.access.createToken({ name: "test", scopes });
    return clientsOf(server.url, secret);
  };
  const versionOf = async (name: string) =>
    (
      await store.db
        .selectFrom("channel")
        .where("name", "=", name)
        .select("version")
        .executeTakeFirstOrThrow()
    ).version;

  test("tags, pin and retry are changed by name, and told", async () => {
    await server.device("tag-1");
    await server.device("tag-2");
    const deviceIds = ["tag-2", "tag-1", "tag-2"];
    const before = await versionOf("prod");
    expect(
      await order({ deviceIds, addTags: ["eu", "canary"], pinnedRevision: 1n, retryRevision: 7n }),
    ).toEqual({ deviceCount: 2n, deviceIds: ["tag-1", "tag-2"] });
    expect(await versionOf("prod")).toBeGreaterThan(before);
    expect(await shown("tag-1")).toMatchObject({
      tags: ["canary", "eu"],
      pinnedRevision: 1n,
      retryRevision: 7n,
      standing: DeviceStanding.ACCEPTED,
    });
    expect(await order({ deviceIds, addTags: ["eu"] })).toEqual({ deviceCount: 0n, deviceIds: [] });
    await order({ deviceIds: ["tag-1"], removeTags: ["eu", "unknown"], pinnedRevision: 0n });
    expect(await shown("tag-1")).toMatchObject({
      tags: ["canary"],
      pinnedRevision: 0n,
      retryRevision: 7n,
    });
    expect((await shown("tag-2")).tags).toEqual(["canary", "eu"]);
  });

  test("an order is one row of the audit, with how its devices were; one that changes nothing is none", async () => {
    await server.device("audit-1");
    const rowsOf = async () =>
      (
        await sql<{ rows: bigint }>`select count(*) as rows from audit
         where action = 'UpdateDevices'`.execute(store.db)
      ).rows[0]?.rows ?? 0n;
    const before = await rowsOf();
    await order({ deviceIds: ["audit-1"], addTags: ["a"] });
    await order({ deviceIds: ["audit-1"], addTags: ["a"] });
    await order({ deviceIds: ["audit-1"], addTags: ["b"], dryRun: true });
    await order({ filter: "id:audit-*", pinnedRevision: 3n });
    expect(await rowsOf()).toBe(before + 2n);
    const { rows } = await sql<{ subject: string; before: object; after: object }>`
      select subject, before, after from audit
       where action = 'UpdateDevices' and after::text like '%audit-1%' order by id`.execute(
      store.db,
    );
    expect(rows).toEqual([
      {
        subject: "device audit-1",
        before: { devices: [expect.objectContaining({ id: "audit-1", tags: [], keyEpoch: 1 })] },
        after: {
          deviceCount: "1",
          deviceIds: ["audit-1"],
          change: { addTags: ["a"], removeTags: [] },
        },
      },
      {
        subject: "device audit-1",
        before: { devices: [expect.objectContaining({ tags: ["a"], pinnedRevision: "0" })] },
        after: {
          filter: "id:audit-*",
          deviceCount: "1",
          deviceIds: ["audit-1"],
          change: { addTags: [], removeTags: [], pinnedRevision: "3" },
        },
      },
    ]);
  });

  test("what is not clear, or is about nobody, is refused and changes nothing", async () => {
    await server.device("unclear");
    const deviceIds = ["unclear"];
    const addTags = ["eu"];
    expect([
      await refusal(order({ addTags })),
      await refusal(order({ addTags, filter: "  " })),
      await refusal(order({ deviceIds, filter: "id:unclear", addTags })),
      await refusal(order({ deviceIds })),
      await refusal(order({ filter: "nonsense", addTags })),
      await refusal(order({ deviceIds: [...deviceIds, "nobody"], addTags })),
      await refusal(order({ filter: "id:un*", publicKey: publicKeyOf(seed(2)) })),
    ]).toEqual([
      "InvalidArgument",
      "InvalidArgument",
      "InvalidArgument",
      "InvalidArgument",
      "FILTER_INVALID",
      "DEVICE_UNKNOWN",
      "InvalidArgument",
    ]);
    expect((await shown("unclear")).tags).toEqual([]);
    expect(await order({ filter: "id:nobody", addTags })).toEqual({
      deviceCount: 0n,
      deviceIds: [],
    });
  });

  test("a device has 64 tags at most, and an order that gives one more changes nobody", async () => {
    await server.device("crowded");
    await server.device("crowded-not");
    const tags = Array.from({ length: 65 }, (_, index) => `tag-${index}`);
    await order({ deviceIds: ["crowded"], addTags: tags.slice(0, 32) });
    await order({ deviceIds: ["crowded"], addTags: tags.slice(32, 64) });
    expect((await shown("crowded")).tags).toHaveLength(64);
    expect(await refusal(order({ filter: "id:crowded*", addTags: tags.slice(64) }))).toBe(
      "InvalidArgument",
    );
    expect((await shown("crowded-not")).tags).toEqual([]);
    await order({ deviceIds: ["crowded"], addTags: tags.slice(64), removeTags: tags.slice(0, 1) });
    expect((await shown("crowded")).tags).toHaveLength(64);
  });

  test("who steers a channel changes its devices alone, and their standing, key and end are an admin's", async () => {
    const [one, two] = [await server.device("scope-1"), await server.device("scope-2")];
    await one.report();
    await two.report({ channel: "beta" });
    const onProd = await withScopes("operate:prod", "read");
    const reader = await withScopes("read", "publish:*");
    const addTags = ["eu"];
    expect([
      (await order({ deviceIds: ["scope-1"], addTags }, onProd)).deviceCount,
      await refusal(order({ filter: "id:scope-*", addTags: ["us"] }, onProd)),
      await refusal(order({ deviceIds: ["scope-2"], addTags, dryRun: true }, onProd)),
      await refusal(order({ deviceIds: ["scope-1"], addTags }, reader)),
      await refusal(order({ deviceIds: ["scope-1"], standing: DeviceStanding.REVOKED }, onProd)),
      await refusal(order({ deviceIds: ["scope-1"], publicKey: publicKeyOf(seed(2)) }, onProd)),
      await refusal(order({ deviceIds: ["scope-1"], forget: true }, onProd)),
      await refusal(order({ deviceIds: ["scope-1"], addTags }, one.clients)),
    ]).toEqual([1n, ...Array(7).fill("SCOPE_MISSING")]);
    expect(await order({ filter: "id:scope-*", addTags: ["us"] })).toMatchObject({
      deviceCount: 2n,
    });
  });

  test("a dry run tells whom an order would change, and changes nobody", async () => {
    await server.device("dry-1");
    await server.device("dry-2");
    await order({ deviceIds: ["dry-2"], addTags: ["eu"] });
    const before = await versionOf("prod");
    const filter = "id:dry-*";
    expect([
      await order({ filter, addTags: ["eu"], dryRun: true }),
      await order({ filter, forget: true, dryRun: true }),
      await order({ filter, standing: DeviceStanding.REVOKED, dryRun: true }),
    ]).toEqual([
      { deviceCount: 1n, deviceIds: ["dry-1"] },
      { deviceCount: 2n, deviceIds: ["dry-1", "dry-2"] },
      { deviceCount: 2n, deviceIds: ["dry-1", "dry-2"] },
    ]);
    expect(await shown("dry-1")).toMatchObject({ tags: [], standing: DeviceStanding.ACCEPTED });
    expect(await versionOf("prod")).toBe(before);
  });

  /** What a device is answered, call by call. */
  const answers = async (device: TestDevice) => {
    const { channel } = device.clients;
    return {
      report: await refusal(device.report()),
      current: await refusal(channel.getCurrent({ channel: "prod" })),
      listing: await refusal(channel.getListing({ digest: listing.digest })),
      authenticate: await refusal(
        new TestDevice(server.url, device.id, device.seed).authenticate(),
      ),
      enrol: await refusal(device.enrol({ channel: "prod" })),
    };
  };

  test("a device's standing decides what it is answered, from the next call on", async () => {
    const device = await server.device("stands");
    const standing = async (one: DeviceStanding) => {
      await order({ deviceIds: ["stands"], standing: one });
      return await answers(device);
    };
    const served = {
      report: "served",
      current: "served",
      listing: "served",
      authenticate: "served",
      enrol: "served",
    };
    const ended = Object.fromEntries(Object.keys(served).map((call) => [call, "DEVICE_REVOKED"]));
    expect([
      await answers(device),
      await standing(DeviceStanding.PENDING),
      await standing(DeviceStanding.REJECTED),
      await standing(DeviceStanding.REVOKED),
      await standing(DeviceStanding.ACCEPTED),
    ]).toEqual([served, { ...served, report: "PENDING_APPROVAL" }, ended, ended, served]);
  });

  test("devices that came to a channel before it was there wait, once it is made for those who are asked", async () => {
    const { secret } = await server.admin.access.createEnrolmentToken({ channel: "early" });
    for (const [id, channel, enrolmentToken] of [
      ["early-open", "early", ""],
      ["early-token", "early", secret],
      ["early-approved", "early", ""],
      ["early-elsewhere", "later", ""],
    ] as const) {
      await new TestDevice(server.url, id, seed(1)).enrol({ channel, enrolmentToken });
    }
    // As one that an operator accepted while the server's default was to ask.
    await sql`update device set enrolled_by = 'approve' where id = 'early-approved'`.execute(
      store.db,
    );
    const moved = await server.device("early-moved");
    await moved.report({ channel: "early" });
    await server.admin.channel.createChannel({ name: "early", enrolment: EnrolmentMode.TOKEN });
    await server.admin.channel.createChannel({ name: "later" });
    const { devices } = await server.operator.checkin.listDevices({ filter: "id:early-*" });
    expect(Object.fromEntries(devices.map(({ id, standing }) => [id, standing]))).toEqual({
      "early-approved": DeviceStanding.ACCEPTED,
      "early-elsewhere": DeviceStanding.ACCEPTED,
      "early-moved": DeviceStanding.PENDING,
      "early-open": DeviceStanding.PENDING,
      "early-token": DeviceStanding.ACCEPTED,
    });
    expect(await refusal(moved.report({ channel: "early" }))).toBe("PENDING_APPROVAL");
  });

  test("a key that is replaced ends the sessions of the one before, and the conflict", async () => {
    const device = await server.device("rekeyed");
    await device.report();
    const next = new TestDevice(server.url, "rekeyed", seed(2));
    expect(await refusal(next.authenticate())).toBe("KEY_CONFLICT");
    const publicKey = publicKeyOf(next.seed);
    expect(await order({ deviceIds: ["rekeyed"], publicKey })).toMatchObject({ deviceCount: 1n });
    expect(await shown("rekeyed")).toMatchObject({ keyEpoch: 2, publicKey });
    expect((await shown("rekeyed")).keyConflictAt).toBeUndefined();
    expect([
      await refusal(device.report()),
      await refusal(device.clients.channel.getCurrent({ channel: "prod" })),
      await refusal(device.clients.channel.getListing({ digest: listing.digest })),
      await refusal(device.authenticate()),
    ]).toEqual(["CREDENTIAL_INVALID", "CREDENTIAL_INVALID", "CREDENTIAL_INVALID", "KEY_CONFLICT"]);
    expect((await next.authenticate()).lastSequence).toBe(0n);
    expect((await next.report()).acknowledgedSequence).toBe(1n);
    // The order repeated, its answer having been lost, ends no session.
    await order({ deviceIds: ["rekeyed"], publicKey });
    expect(await shown("rekeyed")).toMatchObject({ keyEpoch: 2 });
    expect((await next.report()).acknowledgedSequence).toBe(2n);
  });

  test("a forgotten device that replays its old session is not heard, also after its id came again", async () => {
    const device = await server.device("forgotten");
    await device.report({ events: [{ id: "a".repeat(32), number: 1n }] });
    const counted = async () =>
      (await sql<{ n: bigint }>`select device_count as n from open_enrolment`.execute(store.db))
        .rows[0]?.n ?? 0n;
    const before = await counted();
    expect(await order({ filter: "id:forgotten", forget: true })).toEqual({
      deviceCount: 1n,
      deviceIds: ["forgotten"],
    });
    expect(await counted()).toBe(before - 1n);
    for (const table of ["device", "device_status", "device_event", "attempt"] as const) {
      const id = table === "device" ? sql`id` : sql`device_id`;
      const { rows } = await sql`select from ${sql.table(table)} where ${id} = 'forgotten'`.execute(
        store.db,
      );
      expect(rows).toEqual([]);
    }
    const replayed = async () => [
      await refusal(device.report()),
      await refusal(device.clients.channel.getCurrent({ channel: "prod" })),
      await refusal(device.clients.channel.getListing({ digest: listing.digest })),
    ];
    const refused = Array(3).fill("CREDENTIAL_INVALID");
    expect(await replayed()).toEqual(refused);
    const again = new TestDevice(server.url, "forgotten", device.seed);
    expect(await again.enrol({ channel: "prod" })).toMatchObject({ keyEpoch: 2 });
    expect(await replayed()).toEqual(refused);
    await again.authenticate();
    expect((await again.report()).acknowledgedSequence).toBe(1n);
    await order({ deviceIds: ["forgotten"], forget: true });
    const thief = new TestDevice(server.url, "forgotten", seed(66));
    expect(await thief.enrol({ channel: "prod" })).toMatchObject({ keyEpoch: 3 });
  });

  test("orders, reports and forgetting that meet on the same devices block none of each other", async () => {
    const devices = await Promise.all(
      Array.from({ length: 8 }, (_, index) => server.device(`meet-${index}`, index + 1)),
    );
    for (let round = 0; round < 6; round += 1) {
      const channel = round % 2 === 0 ? "beta" : "prod";
      await Promise.all([
        ...devices.map((device) => device.report({ channel })),
        order({ filter: "id:meet-*", addTags: [`round-${round}`] }),
        order({ deviceIds: devices.map(({ id }) => id).toReversed(), pinnedRevision: 5n }),
      ]);
    }
    const outcomes = await Promise.allSettled([
      ...devices.map((device) => device.report({ channel: "beta" })),
      order({ filter: "id:meet-*", forget: true }),
      order({ filter: "id:meet-*", pinnedRevision: 1n }),
    ]);
    const reasons = outcomes.flatMap((one) =>
      one.status === "rejected" ? [reasonOf(one.reason)?.reason] : [],
    );
    // Forgotten before the report, or in the same moment.
    const expected = ["CREDENTIAL_INVALID", "DATABASE_UNAVAILABLE"];
    expect(reasons.filter((reason) => !expected.includes(reason ?? ""))).toEqual([]);
  });
});

// On PostgreSQL alone: the embedded database has one session.
test("a report that meets the forgetting of its device spoils no other's, and is not taken for a defect", async () => {
  const store = await openTestStore("postgresql");
  try {
    for (const id of ["a", "b", "c"]) {
      const device = { id, publicKey: seed(1), channel: "prod", target: "" } as const;
      await pinDevice(store.db, { ...device, standing: "accepted", enrolledBy: "open" });
    }
    const writer = createReportWriter({
      commit: (rows) => commitReports(store.db, rows, "open"),
      isRowFault,
      ...LIMITS,
    });
    let sequence = 0n;
    const report = (deviceId: string) => {
      sequence += 1n;
      return writer.submit(
        reportRow(create(ReportSchema, { deviceId, sequence, channel: "prod" }), 1),
      );
    };
    /** What reports come to that are under way while one of their devices is forgotten. */
    const meet = async (forgotten: string, reporting: readonly string[]) => {
      const forgetting = await store.db.startTransaction().execute();
      const which = { kind: "named", ids: [forgotten] } as const;
      await forgetDevices(forgetting, { which, operable: "all", nowMs: 0, isDryRun: false });
      const settled = Promise.allSettled(reporting.map(report));
      await vi.waitUntil(async () => {
        const waiting = await sql`
          select from pg_locks where not granted and locktype in ('transactionid', 'tuple')`.execute(
          store.db,
        );
        return waiting.rows.length > 0;
      }, 10_000);
      await forgetting.commit().execute();
      return (await settled).map((one) =>
        one.status === "fulfilled" ? one.value.kind : reasonOf(answerTo(one.reason).error)?.reason,
      );
    };
    // The first report is a batch of its own, those that come meanwhile are the next.
    expect(await meet("b", ["a", "b", "c"])).toEqual(["durable", "device-unknown", "durable"]);
    // Alone it is told to come again, and hears then that the device is not known.
    expect(await meet("c", ["c"])).toEqual(["DATABASE_UNAVAILABLE"]);
    expect(await report("c")).toEqual({ kind: "device-unknown" });
  } finally {
    await store.close();
  }
});
