import { Code, ConnectError } from "@connectrpc/connect";
import { HoldReason, HoldReasonSchema } from "@nix-ota/proto/nixota/v1/channel_pb";
import { FailureCode, Outcome, type Directive } from "@nix-ota/proto/nixota/v1/device_pb";
import { RolloutState } from "@nix-ota/proto/nixota/v1/rollout_pb";
import { reasonOf } from "@nix-ota/proto/reason";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import type { Store } from "../src/db/store.ts";
import { DATABASES, openTestStore } from "./databases.testkit.ts";
import { envelope, KEY } from "./manifests.testkit.ts";
import { clientsOf, TestServer, type Clients } from "./server.testkit.ts";

const hex = (number: number) => number.toString(16).padStart(32, "0");

describe.each(DATABASES)("rollouts on %s", (kind) => {
  let store: Store;
  let server: TestServer;
  let operator: Clients;
  beforeAll(async () => {
    store = await openTestStore(kind);
    server = await TestServer.on(store);
    operator = server.admin;
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
  });

  const publish = async (channel: string, revision: bigint, target = "") => {
    const envelopes = [envelope({ channel, revision, target })];
    await server.operator.publish.publish({ envelopes, publicKeys: [{ key: KEY }] });
  };
  const reasonName = (reason: HoldReason | undefined) =>
    HoldReasonSchema.value[reason ?? 0]?.localName;
  const verdict = ({ verdict: told }: Directive) =>
    told.case === "offer" ? `r${told.value.revision}` : reasonName(told.value?.reason);
  const current = async (clients: Clients, channel: string, deviceId = "") => {
    const { result } = await clients.channel.getCurrent({ channel, deviceId });
    return result.case === "envelope" ? "envelope" : reasonName(result.value?.reason);
  };
  const reasonFor = async (call: Promise<unknown>) => {
    const thrown = await call.then(
      () => undefined,
      (error: unknown) => error,
    );
    return reasonOf(thrown)?.reason ?? Code[ConnectError.from(thrown).code];
  };
  const versionOf = async (name: string) =>
    (
      await store.db
        .selectFrom("channel")
        .where("name", "=", name)
        .select("version")
        .executeTakeFirstOrThrow()
    ).version;
  const audited = async (action: string) =>
    (
      await store.db
        .selectFrom("audit")
        .where("action", "=", action)
        .orderBy("id")
        .select(["actor", "subject", "before", "after"])
        .execute()
    ).map((row) => ({ ...row }));

  test("a paused rollout offers nothing, not even the release before, until it is resumed", async () => {
    const channel = "paused";
    await publish(channel, 1n);
    await publish(channel, 2n);
    const late = await server.device("late");
    expect(verdict(await late.report({ channel }))).toBe("r2");
    const before = await versionOf(channel);

    const { rollout } = await operator.publish.pauseRollout({ channel });
    expect(rollout).toMatchObject({
      channel,
      revision: 2n,
      state: RolloutState.PAUSED,
      explanation: "paused by admin-token; `nix-ota rollout resume paused` lets it go on",
      plan: { deviceTimeout: { seconds: 3600n } },
    });
    expect(await versionOf(channel)).toBe(before + 1n);
    const told = await late.report({ channel });
    expect(told.verdict).toMatchObject({
      case: "hold",
      value: {
        reason: HoldReason.PAUSED,
        explanation:
          "the rollout of r2 of paused is paused; `nix-ota rollout resume paused` lets it go on",
      },
    });
    expect([
      await current(late.clients, channel),
      await current(operator, channel, "late"),
      await current(operator, channel),
    ]).toEqual(["PAUSED", "PAUSED", "envelope"]);
    const { sentence, directive } = await operator.checkin.explainDevice({ deviceId: "late" });
    expect(directive?.verdict).toEqual(told.verdict);
    expect(sentence).toContain(told.verdict.case === "hold" ? told.verdict.value.explanation : "-");
    expect((await operator.channel.getChannel({ name: channel })).rollout).toEqual(rollout);
    expect((await operator.publish.getRelease({ channel })).release?.rollout).toEqual(rollout);

    // A later release is not held back by the one before.
    await publish(channel, 3n);
    expect(verdict(await late.report({ channel }))).toBe("r3");
    const { releases } = await operator.publish.listReleases({ channel });
    expect(releases.map((one) => one.rollout?.state)).toEqual([
      RolloutState.RUNNING,
      RolloutState.SUPERSEDED,
      RolloutState.SUPERSEDED,
    ]);
  });

  test("pausing and resuming are idempotent, with one audit row a change", async () => {
    const channel = "idempotent";
    await publish(channel, 1n);
    for (const call of [
      "pauseRollout",
      "pauseRollout",
      "resumeRollout",
      "resumeRollout",
    ] as const) {
      const { rollout } = await operator.publish[call]({ channel, revision: 1n });
      expect(rollout?.state).toBe(
        call === "pauseRollout" ? RolloutState.PAUSED : RolloutState.RUNNING,
      );
    }
    const rows = [...(await audited("PauseRollout")), ...(await audited("ResumeRollout"))];
    expect(rows.filter(({ subject }) => subject === "idempotent r1")).toEqual([
      {
        actor: "admin-token",
        subject: "idempotent r1",
        before: { state: "running" },
        after: { state: "paused" },
      },
      {
        actor: "admin-token",
        subject: "idempotent r1",
        before: { state: "paused" },
        after: { state: "running" },
      },
    ]);
  });

  test("a rollout is steered by who operates the channel, and nobody else", async () => {
    const channel = "scoped";
    await publish(channel, 1n);
    const calls = (clients: Clients) => [
      clients.publish.pauseRollout({ channel }),
      clients.publish.resumeRollout({ channel }),
      clients.publish.retryFailed({ channel }),
    ];
    const outcomes = async (clients: Clients) =>
      await Promise.all(calls(clients).map(async (one) => await reasonFor(one)));
    const holding = async (...scopes: string[]) => {
      const { secret } = await operator.access.createToken({ name: "somebody", scopes });
      return clientsOf(server.url, secret);
    };
    const stranger = await holding("read", "publish:*", "operate:other");
    expect(await outcomes(stranger)).toEqual(Array(3).fill("SCOPE_MISSING"));
    const device = await server.device("no-operator");
    expect(await outcomes(device.clients)).toEqual(Array(3).fill("SCOPE_MISSING"));
    const own = await holding(`operate:${channel}`);
    expect((await Promise.allSettled(calls(own))).map(({ status }) => status)).toEqual(
      Array(3).fill("fulfilled"),
    );
    const missing = { channel: "none" };
    expect([
      await reasonFor(operator.publish.pauseRollout(missing)),
      await reasonFor(operator.publish.resumeRollout({ channel, revision: 2n })),
      await reasonFor(operator.publish.retryFailed({ channel, revision: 2n })),
      await reasonFor(operator.publish.advanceRollout({ channel })),
      await reasonFor(operator.publish.abortRollout({ channel })),
    ]).toEqual([
      "CHANNEL_UNKNOWN",
      "RELEASE_UNKNOWN",
      "RELEASE_UNKNOWN",
      "Unimplemented",
      "Unimplemented",
    ]);
  });

  test("devices that failed try once more, never for a security failure, and the wish ends with the try", async () => {
    const channel = "retried";
    await publish(channel, 1n);
    const attempt = (
      id: number,
      outcome: Outcome,
      failureCode: FailureCode = FailureCode.HEALTH_FAILED,
    ) => ({
      channel,
      quarantinedRevisions: outcome === Outcome.APPLIED ? [] : [1n],
      attempt: { id: hex(id), channel, revision: 1n, outcome, failureCode },
    });
    const failed = await server.device("failed");
    const attacked = await server.device("attacked");
    const fine = await server.device("fine");
    const pinned = await server.device("pinned");
    await failed.report(attempt(1, Outcome.ROLLED_BACK));
    await attacked.report(attempt(1, Outcome.FAILED, FailureCode.DIGEST_MISMATCH));
    await fine.report(attempt(1, Outcome.APPLIED, FailureCode.UNSPECIFIED));
    await pinned.report(attempt(1, Outcome.FAILED));
    await sql`update device set standing = 'revoked' where id = 'pinned'`.execute(store.db);

    const before = await versionOf(channel);
    expect(await operator.publish.retryFailed({ channel })).toMatchObject({ deviceCount: 1n });
    expect(await versionOf(channel)).toBe(before + 1n);
    expect(await operator.publish.retryFailed({ channel })).toMatchObject({ deviceCount: 1n });
    expect(await audited("RetryFailed")).toEqual([
      {
        actor: "admin-token",
        subject: "retried r1",
        before: null,
        after: { deviceCount: "1" },
      },
    ]);
    // The attempt that failed before is told of again: it is not the one that was wished for.
    const { attempt: first, ...rest } = attempt(1, Outcome.ROLLED_BACK);
    const again = await failed.report({ ...rest, attempt: { ...first, message: "told anew" } });
    expect([verdict(again), again.retryRevision]).toEqual(["r1", 1n]);
    const under = await failed.report({
      ...attempt(2, Outcome.UNSPECIFIED),
      quarantinedRevisions: [],
    });
    expect([verdict(under), under.retryRevision]).toEqual(["r1", 1n]);
    const ended = await failed.report(attempt(2, Outcome.ROLLED_BACK));
    expect([verdict(ended), ended.retryRevision]).toEqual(["QUARANTINED", 0n]);
    const after = await failed.report(attempt(2, Outcome.ROLLED_BACK));
    expect([verdict(after), after.retryRevision]).toEqual(["QUARANTINED", 0n]);
    expect(verdict(await attacked.report(attempt(1, Outcome.FAILED)))).toBe("QUARANTINED");
  });

  test("a wish ends when the device has the revision, and with a pin when it moves to another channel", async () => {
    const channel = "granted";
    await publish(channel, 1n);
    await publish("elsewhere", 1n);
    const device = await server.device("granted");
    const wish = async () => {
      await sql`update device set retry_revision = 1, pinned_revision = 1 where id = 'granted'`.execute(
        store.db,
      );
    };
    const stored = async () =>
      await store.db
        .selectFrom("device")
        .where("id", "=", "granted")
        .select(["retry_revision", "pinned_revision"])
        .executeTakeFirstOrThrow();
    await device.report({ channel });
    await wish();
    expect((await device.report({ channel })).retryRevision).toBe(1n);
    const taken = await device.report({ channel, committedRevision: 1n });
    expect([taken.retryRevision, await stored()]).toEqual([
      0n,
      { retry_revision: 0n, pinned_revision: 1n },
    ]);
    await wish();
    const moved = await device.report({ channel: "elsewhere" });
    expect([verdict(moved), moved.retryRevision, await stored()]).toEqual([
      "r1",
      0n,
      { retry_revision: 0n, pinned_revision: 0n },
    ]);
  });

  test("a pin leads to its revision and holds there, whatever is published", async () => {
    const channel = "pins";
    for (const revision of [1n, 2n, 3n]) await publish(channel, revision);
    const device = await server.device("held");
    await device.report({ channel });
    await sql`update device set pinned_revision = 2 where id = 'held'`.execute(store.db);
    const told = [
      await device.report({ channel, committedRevision: 1n }),
      await device.report({ channel, committedRevision: 2n }),
      await device.report({ channel, committedRevision: 3n }),
    ];
    expect(told.map(verdict)).toEqual(["r2", "PINNED", "PINNED"]);
    await device.report({ channel, committedRevision: 1n });
    const { result } = await device.clients.channel.getCurrent({ channel });
    expect(result.value).toEqual(envelope({ channel, revision: 2n }));
    // A target without that revision, and one that has it not.
    expect(verdict(await device.report({ channel, target: "other", committedRevision: 1n }))).toBe(
      "PINNED",
    );
  });
});
