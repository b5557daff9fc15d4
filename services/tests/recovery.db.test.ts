import { Code, ConnectError } from "@connectrpc/connect";
import { publicKeyOf } from "@nix-ota/proto/ed25519";
import { HoldReason } from "@nix-ota/proto/nixota/v1/channel_pb";
import { reasonOf } from "@nix-ota/proto/reason";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import type { Store } from "../src/db/store.ts";
import { DATABASES, openTestStore } from "./databases.testkit.ts";
import { envelope, KEY, listingOf, seed, storePath } from "./manifests.testkit.ts";
import { clientsOf, TestServer, type Clients, type TestDevice } from "./server.testkit.ts";

// A server that was restored has some releases; what devices verified since is
// signed here as it was signed for the server before.
describe.each(DATABASES)("a server restored from an older backup, on %s", (kind) => {
  let store: Store;
  let server: TestServer;
  let admin: Clients;
  beforeAll(async () => {
    store = await openTestStore(kind);
    server = await TestServer.on(store);
    admin = server.admin;
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
  });

  const publish = async (...envelopes: Uint8Array[]) =>
    await server.operator.publish.publish({ envelopes, publicKeys: [{ key: KEY }] });
  const reasonFor = async (call: Promise<unknown>) =>
    await call.then(
      () => "answered",
      (error: unknown) => {
        const refusal = reasonOf(error);
        return refusal?.rejectCode ?? refusal?.reason ?? Code[ConnectError.from(error).code];
      },
    );
  const giveBack = async (device: TestDevice, one: Uint8Array) =>
    (await device.clients.checkin.returnManifest({ envelope: one })).kept;
  const recover = async (channel: string, dryRun = false) =>
    await admin.channel.recoverChannel({ channel, dryRun });
  const headOf = async (name: string) =>
    (await admin.channel.getChannel({ name })).channel?.headRevision;

  test("gets its releases back from the devices, paused, byte for byte", async () => {
    const channel = "restored";
    const lost = {
      r2: envelope({ channel, revision: 2n, message: "lost" }),
      r2a: envelope({ channel, revision: 2n, target: "a" }),
      r4: envelope({ channel, revision: 4n, storePath: storePath("b") }),
    };
    await publish(envelope({ channel, revision: 1n }));
    const [one, two, late] = [
      await server.device("restored-1"),
      await server.device("restored-2"),
      await server.device("restored-3"),
    ];
    const ahead = { channel, floor: { revision: 4n, payloadSha256: seed(1) } };
    expect((await one.report(ahead)).verdict.value).toMatchObject({
      reason: HoldReason.SERVER_BEHIND,
      explanation:
        "the device verified r4 of restored, this server has r1; it was restored from an older backup, so an admin runs `nix-ota channel recover restored`",
    });
    expect([
      await giveBack(one, lost.r4),
      await giveBack(one, lost.r4),
      await giveBack(two, lost.r2a),
      await giveBack(two, lost.r4),
      await giveBack(late, lost.r2),
      await giveBack(late, envelope({ channel, revision: 1n })),
    ]).toEqual([true, true, true, true, true, false]);

    const shown = await recover(channel, true);
    expect(shown.manifests).toMatchObject([
      { revision: 2n, target: "", deviceId: "restored-3", storePath: storePath("a") },
      { revision: 2n, target: "a", deviceId: "restored-2" },
      { revision: 4n, target: "", deviceId: "restored-1", storePath: storePath("b") },
    ]);
    expect(shown.channel).toMatchObject({ headRevision: 1n, paused: false });
    expect(await headOf(channel)).toBe(1n);

    const done = await recover(channel);
    expect(done.manifests).toEqual(shown.manifests);
    expect(done.channel).toMatchObject({ headRevision: 4n, paused: true });
    expect((await one.report(ahead)).verdict.value).toMatchObject({ reason: HoldReason.PAUSED });
    await admin.channel.updateChannel({ name: channel, paused: false });
    expect((await one.report(ahead)).verdict).toMatchObject({
      case: "offer",
      value: { revision: 4n },
    });
    const current = async (target: string) =>
      (await server.operator.channel.getCurrent({ channel, target })).result.value;
    expect([await current(""), await current("a")]).toEqual([lost.r4, lost.r2a]);
    const { releases } = await admin.publish.listReleases({ channel });
    expect(releases.map(({ revision, publishedBy }) => [revision, publishedBy])).toEqual([
      [4n, "admin-token"],
      [2n, "admin-token"],
      [1n, "publish-token"],
    ]);

    // Once more, and publishes go on as if nothing had been lost.
    expect(await reasonFor(recover(channel))).toBe("NOTHING_TO_RECOVER");
    expect(await giveBack(two, lost.r4)).toBe(false);
    expect((await publish(lost.r4)).alreadyPublished).toBe(true);
    const other = envelope({ channel, revision: 4n, message: "other" });
    expect(await reasonFor(publish(other))).toBe("REVISION_TAKEN");
    await publish(envelope({ channel, revision: 5n }));
    const rows = await store.db
      .selectFrom("audit")
      .where("action", "=", "RecoverChannel")
      .where("subject", "=", channel)
      .select(["actor", "before", "after"])
      .execute();
    expect(rows).toMatchObject([
      {
        actor: "admin-token",
        before: { headRevision: "1", paused: false },
        after: { headRevision: "4", paused: true },
      },
    ]);
  });

  test("a device that claims a floor does not move the head, nor does one that returns a forgery", async () => {
    const channel = "claimed";
    await publish(envelope({ channel, revision: 1n }));
    const liar = await server.device("liar");
    await liar.report({ channel, floor: { revision: 99n, payloadSha256: seed(1) } });
    const forged = envelope({ channel, revision: 9n }, [seed(66)]);
    const spoilt = envelope({ channel, revision: 9n });
    spoilt[20] = (spoilt[20] ?? 0) ^ 1;
    const refused = [forged, spoilt, envelope({ channel: "nowhere", revision: 9n }), seed(1)];
    expect(await Promise.all(refused.map((one) => reasonFor(giveBack(liar, one))))).toEqual([
      "BAD_SIGNATURE",
      expect.stringMatching(/^(MALFORMED|BAD_SIGNATURE|UNKNOWN_TYPE)$/),
      "CHANNEL_UNKNOWN",
      "MALFORMED",
    ]);
    // Signed for another channel that has the same key.
    await publish(envelope({ channel: "claimed-too", revision: 1n }));
    expect(await giveBack(liar, envelope({ channel: "claimed-too", revision: 9n }))).toBe(true);
    expect(await reasonFor(recover(channel, true))).toBe("NOTHING_TO_RECOVER");
    expect(await reasonFor(recover(channel))).toBe("NOTHING_TO_RECOVER");
    const { channel: seen } = await admin.channel.getChannel({ name: channel });
    expect(seen).toMatchObject({ headRevision: 1n, fleetFloorRevision: 99n, paused: false });
  });

  test("equivocation: two payloads under one revision are recovered neither, and a higher revision is the way on", async () => {
    const channel = "disputed";
    await publish(envelope({ channel, revision: 1n }));
    const [one, two] = [await server.device("disputed-1"), await server.device("disputed-2")];
    await giveBack(one, envelope({ channel, revision: 3n, message: "one" }));
    await giveBack(two, envelope({ channel, revision: 2n }));
    await giveBack(two, envelope({ channel, revision: 3n, message: "other" }));
    const thrown = await recover(channel).catch((error: unknown) => ConnectError.from(error));
    expect(thrown).toMatchObject({
      code: Code.FailedPrecondition,
      rawMessage: expect.stringMatching(
        /^two manifests are signed as r3 of disputed .*disputed-\d.*disputed-\d/,
      ) as string,
    });
    expect(await reasonFor(recover(channel, true))).toBe("RECOVERY_CONFLICT");
    expect(await headOf(channel)).toBe(1n);
    await publish(envelope({ channel, revision: 4n }));
    expect(await reasonFor(recover(channel))).toBe("NOTHING_TO_RECOVER");
  });

  test("keeps a bounded number of them, each once, whoever returns it and however often", async () => {
    const channel = "bounded";
    await publish(envelope({ channel, revision: 1n }));
    const device = await server.device("bounded");
    const lost = (revision: number) => envelope({ channel, revision: BigInt(revision) });
    const returns = [2, 3, 4, 5, 6, 2].map((revision) => giveBack(device, lost(revision)));
    const settled = await Promise.all(returns.map((one) => reasonFor(one)));
    expect(settled.filter((one) => one === "OVERLOADED").length).toBeGreaterThan(0);
    const { rows } = await sql<{ kept: bigint }>`
      select count(*) as kept from returned_manifest where channel = ${channel}`.execute(store.db);
    expect(rows).toEqual([{ kept: 4n }]);
    // What a publish has passed makes room.
    await publish(lost(7));
    expect(await giveBack(device, lost(8))).toBe(true);
  });

  test("a device that may not report returns its manifest as well, one of a replaced key does not", async () => {
    const channel = "any-standing";
    await publish(envelope({ channel, revision: 1n }));
    const device = await server.device("any-standing");
    await sql`update device set standing = 'pending' where id = 'any-standing'`.execute(store.db);
    expect(await giveBack(device, envelope({ channel, revision: 2n }))).toBe(true);
    await sql`update device set key_epoch = 2 where id = 'any-standing'`.execute(store.db);
    expect(await reasonFor(giveBack(device, envelope({ channel, revision: 2n })))).toBe(
      "CREDENTIAL_INVALID",
    );
  });

  test("a listing that was lost is missed until it is stored again, and keeps nobody waiting", async () => {
    const channel = "unlisted";
    const { content, digest } = listingOf(storePath("a"));
    await publish(envelope({ channel, revision: 1n }));
    const device = await server.device("unlisted");
    const lost = envelope({ channel, revision: 2n, closureDigest: digest });
    const expired = envelope({ channel, revision: 3n, notAfterS: 1_700_000_001n });
    await giveBack(device, lost);
    await giveBack(device, expired);
    const { manifests } = await recover(channel);
    expect(manifests.map(({ revision, listingMissing }) => [revision, listingMissing])).toEqual([
      [2n, true],
      [3n, false],
    ]);
    const asked = { digest };
    expect(await reasonFor(device.clients.channel.getListing(asked))).toBe("LISTING_UNKNOWN");
    expect(await reasonFor(publish(lost))).toBe("LISTING_MISSING");
    await server.operator.publish.publish({ envelopes: [lost], listings: [content] });
    expect((await device.clients.channel.getListing(asked)).listing).toEqual(content);
  });

  test("only what verifies under the keys of today is recovered, and only by an admin", async () => {
    const channel = "other-keys";
    await publish(envelope({ channel, revision: 1n }));
    const device = await server.device("other-keys");
    await giveBack(device, envelope({ channel, revision: 2n }));
    const publicKeys = [{ key: publicKeyOf(seed(8)) }];
    await admin.channel.updateChannel({ name: channel, keys: { publicKeys, threshold: 1 } });
    expect(await reasonFor(recover(channel))).toBe("NOTHING_TO_RECOVER");
    await admin.channel.createChannel({ name: "no-keys" });
    expect([
      await reasonFor(recover("no-keys")),
      await reasonFor(recover("nowhere")),
      await reasonFor(server.operator.channel.recoverChannel({ channel })),
      await reasonFor(device.clients.channel.recoverChannel({ channel })),
      await reasonFor(admin.checkin.returnManifest({ envelope: seed(1) })),
      await reasonFor(clientsOf(server.url).checkin.returnManifest({ envelope: seed(1) })),
    ]).toEqual([
      "KEYS_REQUIRED",
      "CHANNEL_UNKNOWN",
      "SCOPE_MISSING",
      "SCOPE_MISSING",
      "SCOPE_MISSING",
      "CREDENTIAL_INVALID",
    ]);
  });
});
