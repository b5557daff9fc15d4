import { Code, ConnectError } from "@connectrpc/connect";
import { publicKeyOf } from "@nix-ota/proto/ed25519";
import { EnrolmentMode, HoldReason } from "@nix-ota/proto/nixota/v1/channel_pb";
import { RolloutState } from "@nix-ota/proto/nixota/v1/rollout_pb";
import { reasonOf } from "@nix-ota/proto/reason";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import type { Store } from "../src/db/store.ts";
import { DATABASES, openTestStore } from "./databases.testkit.ts";
import { envelope, KEY, SEED, seed } from "./manifests.testkit.ts";
import { clientsOf, TestServer, type Clients } from "./server.testkit.ts";

const key = (byte: number) => ({ key: publicKeyOf(seed(byte)), name: `key-${byte}` });

describe.each(DATABASES)("channels on %s", (kind) => {
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

  const publish = async (
    fields: Parameters<typeof envelope>[0],
    more: { seeds?: Uint8Array[]; keys?: Uint8Array[]; threshold?: number } = {},
  ) =>
    await server.operator.publish.publish({
      envelopes: [envelope(fields, more.seeds ?? [SEED])],
      publicKeys: (more.keys ?? []).map((one) => ({ key: one })),
      threshold: more.threshold ?? 0,
    });
  const reasonFor = async (call: Promise<unknown>) =>
    await call.then(
      () => "answered",
      (error: unknown) => reasonOf(error)?.reason ?? Code[ConnectError.from(error).code],
    );
  const versionOf = async (name: string) =>
    (
      await store.db
        .selectFrom("channel")
        .where("name", "=", name)
        .select("version")
        .executeTakeFirstOrThrow()
    ).version;
  const audited = async (subject: string) =>
    await store.db
      .selectFrom("audit")
      .where("subject", "=", subject)
      .orderBy("id")
      .select(["actor", "action", "before", "after"])
      .execute();

  test("a channel is made once, with what was asked for, and the audit says so", async () => {
    const name = "made";
    const { channel } = await admin.channel.createChannel({
      name,
      publicKeys: [key(1), key(2), key(1)],
      threshold: 2,
      enrolment: EnrolmentMode.APPROVE,
    });
    expect(channel).toMatchObject({
      name,
      headRevision: 0n,
      publicKeys: [key(1), key(2)],
      threshold: 2,
      paused: false,
      enrolment: EnrolmentMode.APPROVE,
      defaultPlan: { deviceTimeout: { seconds: 3600n } },
    });
    expect((await admin.channel.getChannel({ name })).channel).toEqual(channel);
    expect(await reasonFor(admin.channel.createChannel({ name }))).toBe("CHANNEL_EXISTS");
    expect(await audited(name)).toMatchObject([
      {
        actor: "admin-token",
        action: "CreateChannel",
        before: null,
        after: { threshold: 2, enrolment: "approve", paused: false, deviceTimeoutMs: "3600000" },
      },
    ]);
    const other = ["a", "b", "c"].map((letter) => `many-${letter}`);
    const many = [...other, ...other].map((one) => admin.channel.createChannel({ name: one }));
    const settled = await Promise.all(many.map(async (one) => await reasonFor(one)));
    expect(settled.toSorted()).toEqual([
      ...Array<string>(3).fill("CHANNEL_EXISTS"),
      ...Array<string>(3).fill("answered"),
    ]);
  });

  test("keys that are none, and thresholds out of reach, are refused and change nothing", async () => {
    const name = "unsound";
    const unsound = { key: new Uint8Array(32), name: "" };
    const bad = [
      { publicKeys: [unsound], threshold: 1 },
      { publicKeys: [key(1), key(1)], threshold: 2 },
    ];
    for (const keys of bad) {
      expect(await reasonFor(admin.channel.createChannel({ name, ...keys }))).toBe("KEYS_DIFFER");
    }
    expect(await reasonFor(admin.channel.getChannel({ name }))).toBe("CHANNEL_UNKNOWN");
    const { channel } = await admin.channel.createChannel({ name, publicKeys: [key(1)] });
    for (const keys of bad) {
      const call = admin.channel.updateChannel({ name, keys, paused: true });
      expect(await reasonFor(call)).toBe("KEYS_DIFFER");
    }
    expect((await admin.channel.getChannel({ name })).channel).toEqual(channel);
  });

  test("a threshold that was set before the keys came holds for the first publish", async () => {
    const name = "strict";
    await admin.channel.createChannel({ name, threshold: 2 });
    const fields = { channel: name, revision: 1n };
    const keys = [KEY, publicKeyOf(seed(8))];
    expect(await reasonFor(publish(fields, { keys: [KEY] }))).toBe("KEYS_DIFFER");
    expect(await reasonFor(publish(fields, { keys }))).toBe("MANIFEST_REJECTED");
    await publish(fields, { keys, seeds: [SEED, seed(8)] });
    const { channel } = await admin.channel.getChannel({ name });
    expect(channel).toMatchObject({ threshold: 2, publicKeys: keys.map((one) => ({ key: one })) });
  });

  test("keys are replaced as a set: the dropped one signs nothing more, what it signed stays", async () => {
    const name = "rotated";
    await publish({ channel: name, revision: 1n }, { keys: [KEY] });
    const before = await versionOf(name);
    const { channel } = await admin.channel.updateChannel({
      name,
      keys: { publicKeys: [key(8), key(9)], threshold: 1 },
    });
    expect(channel).toMatchObject({ publicKeys: [key(8), key(9)], threshold: 1 });
    expect(await versionOf(name)).toBeGreaterThan(before);
    const { result } = await server.operator.channel.getCurrent({ channel: name });
    expect(result.value).toEqual(envelope({ channel: name, revision: 1n }));
    const r2 = { channel: name, revision: 2n };
    expect([
      await reasonFor(publish({ channel: name, revision: 1n })),
      await reasonFor(publish(r2)),
      await reasonFor(publish(r2, { keys: [KEY], seeds: [seed(8)] })),
    ]).toEqual(["MANIFEST_REJECTED", "MANIFEST_REJECTED", "KEYS_DIFFER"]);
    // The head is signed anew by a key that stayed, which adds its signature.
    const again = await publish({ channel: name, revision: 1n }, { seeds: [seed(8)] });
    expect(again.alreadyPublished).toBe(true);
    const { release } = await admin.publish.getRelease({ channel: name });
    expect(release?.manifests[0]?.keyIds).toHaveLength(2);
    await publish(r2, { seeds: [seed(9)] });
    const row = (await audited(name)).find(({ action }) => action === "UpdateChannel");
    expect(Object.keys(row?.before ?? {})).toEqual(["keys"]);
  });

  test("who publishes while the keys are replaced is judged by one set or the other", async () => {
    const name = "replaced-meanwhile";
    await publish({ channel: name, revision: 1n }, { keys: [KEY] });
    for (let round = 0n; round < 6n; round += 1n) {
      const [old, fresh] = round % 2n === 0n ? [SEED, seed(8)] : [seed(8), SEED];
      const revision = 2n + round;
      const keys = { publicKeys: [{ key: publicKeyOf(fresh) }], threshold: 1 };
      const [change, first, second] = await Promise.all([
        reasonFor(admin.channel.updateChannel({ name, keys })),
        reasonFor(publish({ channel: name, revision, message: "old" }, { seeds: [old] })),
        reasonFor(publish({ channel: name, revision, message: "new" }, { seeds: [fresh] })),
      ]);
      expect(change).toBe("answered");
      expect([first, second].filter((one) => one === "answered").length).toBeLessThanOrEqual(1);
      // Afterwards the old key is worth nothing, whoever came first.
      const late = publish({ channel: name, revision: revision + 1n }, { seeds: [old] });
      expect(await reasonFor(late)).toBe("MANIFEST_REJECTED");
    }
  });

  test("a paused channel offers nothing and goes on where it was, with one audit row a change", async () => {
    const name = "halted";
    await publish({ channel: name, revision: 1n }, { keys: [KEY] });
    const device = await server.device("halted");
    const told = async () => (await device.report({ channel: name })).verdict;
    expect((await told()).case).toBe("offer");
    const raised: boolean[] = [];
    for (const paused of [true, true, false, false, true]) {
      const before = await versionOf(name);
      const { channel } = await admin.channel.updateChannel({ name, paused });
      expect(channel?.paused).toBe(paused);
      raised.push((await versionOf(name)) > before);
      expect((await told()).case).toBe(paused ? "hold" : "offer");
    }
    expect(raised).toEqual([true, false, true, false, true]);
    expect((await told()).value).toMatchObject({ reason: HoldReason.PAUSED });
    const { rollout } = await admin.channel.getChannel({ name });
    expect(rollout?.state).toBe(RolloutState.PAUSED);
    expect(
      (await audited(name)).map(({ action, before, after }) => [action, before, after]),
    ).toEqual(
      [true, false, true].map((paused) => ["UpdateChannel", { paused: !paused }, { paused }]),
    );
  });

  test("the default plan is that of a publish that brings none", async () => {
    const name = "planned";
    const seconds = (value: bigint) => ({ deviceTimeout: { seconds: value } });
    await admin.channel.createChannel({ name, publicKeys: [{ key: KEY }] });
    await admin.channel.updateChannel({ name, defaultPlan: seconds(600n) });
    await publish({ channel: name, revision: 1n });
    await server.operator.publish.publish({
      envelopes: [envelope({ channel: name, revision: 2n })],
      rollout: seconds(1200n),
    });
    await admin.channel.updateChannel({ name, defaultPlan: {} });
    await publish({ channel: name, revision: 3n });
    const { releases } = await admin.publish.listReleases({ channel: name });
    expect(releases.map(({ rollout }) => rollout?.plan?.deviceTimeout?.seconds)).toEqual([
      3600n,
      1200n,
      600n,
    ]);
    const waves = [{ members: { case: "percent" as const, value: 5 } }];
    expect([
      await reasonFor(admin.channel.updateChannel({ name, defaultPlan: { waves } })),
      await reasonFor(admin.channel.updateChannel({ name, defaultPlan: seconds(1n) })),
    ]).toEqual(["Unimplemented", "InvalidArgument"]);
  });

  test("keys and enrolment are an admin's, the rest is for who operates the channel", async () => {
    const name = "scopes";
    await publish({ channel: name, revision: 1n }, { keys: [KEY] });
    const holding = async (...scopes: string[]) => {
      const { secret } = await admin.access.createToken({ name: "somebody", scopes });
      return clientsOf(server.url, secret);
    };
    const outcomes = async ({ channel }: Clients) => [
      await reasonFor(channel.createChannel({ name: "by-stranger" })),
      await reasonFor(
        channel.updateChannel({ name, keys: { publicKeys: [{ key: KEY }], threshold: 1 } }),
      ),
      await reasonFor(channel.updateChannel({ name, enrolment: EnrolmentMode.OPEN, paused: true })),
      await reasonFor(channel.updateChannel({ name, paused: false })),
      await reasonFor(channel.updateChannel({ name, defaultPlan: {} })),
      await reasonFor(channel.updateChannel({ name })),
    ];
    const none = Array<string>(6).fill("SCOPE_MISSING");
    expect(await outcomes(await holding("read", "publish:*", "operate:other"))).toEqual(none);
    expect(await outcomes((await server.device("scopes")).clients)).toEqual(none);
    expect(await outcomes(await holding(`operate:${name}`))).toEqual([
      ...none.slice(0, 3),
      ...Array<string>(3).fill("answered"),
    ]);
    expect(await reasonFor(admin.channel.updateChannel({ name: "none", paused: true }))).toBe(
      "CHANNEL_UNKNOWN",
    );
  });

  test("a fleet that is ahead of its server shows", async () => {
    const name = "behind";
    await publish({ channel: name, revision: 3n }, { keys: [KEY] });
    const floorOf = async () =>
      (await admin.channel.getChannel({ name })).channel?.fleetFloorRevision;
    expect(await floorOf()).toBe(0n);
    for (const [id, revision] of [
      ["behind-1", 2n],
      ["behind-2", 7n],
    ] as const) {
      const device = await server.device(id);
      await device.report({ channel: name, floor: { revision, payloadSha256: seed(1) } });
    }
    expect(await floorOf()).toBe(7n);
  });
});
