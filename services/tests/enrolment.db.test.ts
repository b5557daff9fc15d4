import { sql } from "kysely";
import { pino } from "pino";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";

import {
  changeEnrolmentToken,
  findEnrolmentToken,
  insertEnrolmentToken,
} from "../src/access/enrolment-token-queries.ts";
import { makeSecretToken } from "../src/access/secret-token.ts";
import { enrol } from "../src/checkin/enrol-call.ts";
import { noteKeyConflict } from "../src/checkin/identity-queries.ts";
import type { Store } from "../src/db/store.ts";
import type { EnrolmentMode } from "../src/enrolment-mode.ts";
import { OtaError } from "../src/ota-error.ts";
import { DATABASES, openTestStore } from "./databases.testkit.ts";
import { seed } from "./manifests.testkit.ts";

const HOUR = 3_600_000;

describe.each(DATABASES)("enrolment on %s", (kind) => {
  let store: Store;
  let nowMs = Date.UTC(2026, 0, 1);
  let limits: { mode: EnrolmentMode; perHour: number; most: number };
  beforeAll(async () => {
    store = await openTestStore(kind);
    for (const mode of ["open", "token", "approve"] as const) {
      await store.db
        .insertInto("channel")
        .values({ name: `${mode}-channel`, threshold: 1, enrolment: mode })
        .execute();
    }
  });
  beforeEach(() => {
    limits = { mode: "open", perHour: 1000, most: 10_000 };
  });
  afterAll(async () => {
    await store.close();
  });

  const deps = () => ({
    db: store.db,
    log: pino({ level: "silent" }),
    nowMs: () => nowMs,
    enrolment: limits,
  });
  /** What comes of an enrolment, in a word or two. */
  const enrolled = async (
    id: string,
    fields: { channel?: string; byte?: number; enrolmentToken?: string } = {},
  ) => {
    const { channel = "open-channel", byte = 1, enrolmentToken = "" } = fields;
    const asked = { channel, target: "", publicKey: seed(byte), enrolmentToken };
    try {
      const { standing, keyEpoch } = await enrol(deps(), id, asked);
      return `${standing} ${keyEpoch}`;
    } catch (error) {
      if (error instanceof OtaError) return error.kind;
      throw error;
    }
  };
  const token = async (fields: { channel?: string; maxUses?: number; lifeMs?: number } = {}) => {
    const { text, ...digest } = makeSecretToken("noe");
    const { channel = "token-channel", maxUses = 1, lifeMs = HOUR } = fields;
    const expiresAt = new Date(nowMs + lifeMs);
    await insertEnrolmentToken(store.db, {
      ...digest,
      channel,
      maxUses,
      expiresAt,
      createdBy: "ci",
    });
    return { id: digest.id, text };
  };
  const usesOf = async (id: string) => (await findEnrolmentToken(store.db, id))?.uses;
  const enrolledBy = async (id: string) =>
    (
      await store.db
        .selectFrom("device")
        .where("id", "=", id)
        .select("enrolled_by")
        .executeTakeFirst()
    )?.enrolled_by;
  /** Forgets how many came without a token. */
  const uncounted = async (fields: { most?: number } = {}) => {
    await sql`update open_enrolment set window_count = 0, window_began_at = 'epoch'`.execute(
      store.db,
    );
    const { count } = (
      await sql<{ count: bigint }>`select device_count as count from open_enrolment`.execute(
        store.db,
      )
    ).rows[0] ?? { count: 0n };
    limits = { ...limits, most: Number(count) + (fields.most ?? 1000) };
  };

  test("each mode takes an unknown device in its own way, and how it came is kept", async () => {
    expect([
      await enrolled("mode-open", { channel: "open-channel" }),
      await enrolled("mode-approve", { channel: "approve-channel" }),
      await enrolled("mode-token", { channel: "token-channel" }),
    ]).toEqual(["accepted 1", "pending 1", "ENROLMENT_CLOSED"]);
    expect(await Promise.all(["mode-open", "mode-approve", "mode-token"].map(enrolledBy))).toEqual([
      "open",
      "approve",
      undefined,
    ]);
  });

  test("a channel that is not there, or leaves it to the server, goes by the server's default", async () => {
    await store.db.insertInto("channel").values({ name: "unsaid", threshold: 1 }).execute();
    for (const channel of ["unsaid", "not-there"]) {
      const told: string[] = [];
      for (const mode of ["open", "token", "approve"] as const) {
        limits = { ...limits, mode };
        told.push(await enrolled(`default-${mode}-${channel}`, { channel }));
      }
      expect(told).toEqual(["accepted 1", "ENROLMENT_CLOSED", "pending 1"]);
    }
  });

  test("a token can be given out before its channel is there", async () => {
    limits = { ...limits, mode: "token" };
    const early = await token({ channel: "soon" });
    expect(await enrolled("early", { channel: "soon", enrolmentToken: early.text })).toBe(
      "accepted 1",
    );
  });

  test("a token lets in as many devices as it may, and says which came by it", async () => {
    const two = await token({ maxUses: 2 });
    const by = { channel: "token-channel", enrolmentToken: two.text };
    expect([
      await enrolled("counted-1", by),
      await enrolled("counted-2", by),
      await enrolled("counted-3", by),
    ]).toEqual(["accepted 1", "accepted 1", "ENROLMENT_CLOSED"]);
    expect(await enrolledBy("counted-2")).toBe(`token:${two.id}`);
    expect(await usesOf(two.id)).toBe(2);
  });

  test("an enrolment whose answer was lost can be repeated and uses a token once", async () => {
    const once = await token();
    const by = { channel: "token-channel", enrolmentToken: once.text };
    expect(await enrolled("repeated", by)).toBe("accepted 1");
    nowMs += 2 * HOUR;
    expect(await enrolled("repeated", by)).toBe("accepted 1");
    expect(await enrolled("repeated", { channel: "token-channel" })).toBe("accepted 1");
    for (let round = 0; round < 20; round += 1) {
      const last = await token();
      const again = { channel: "token-channel", enrolmentToken: last.text };
      const calls = [1, 2, 3, 4].map(() => enrolled(`repeated-at-once-${round}`, again));
      expect(await Promise.all(calls)).toEqual(Array(4).fill("accepted 1"));
      expect(await usesOf(last.id)).toBe(1);
    }
  });

  test("of devices that race for the last use of a token, one comes in and the others leave nothing", async () => {
    for (let round = 0; round < 10; round += 1) {
      const last = await token();
      const by = { channel: "token-channel", enrolmentToken: last.text };
      const ids = [1, 2, 3, 4].map((rival) => `race-${round}-${rival}`);
      const outcomes = await Promise.all(ids.map((id) => enrolled(id, by)));
      expect(outcomes.toSorted()).toEqual([
        "ENROLMENT_CLOSED",
        "ENROLMENT_CLOSED",
        "ENROLMENT_CLOSED",
        "accepted 1",
      ]);
      const kept = await Promise.all(ids.map(enrolledBy));
      expect(kept.filter((one) => one !== undefined)).toHaveLength(1);
      expect(await usesOf(last.id)).toBe(1);
    }
  });

  test("a stolen enrolment token is worth nothing on another channel, after its time, or once it was ended", async () => {
    const elsewhere = await token({ channel: "beta" });
    const expired = await token({ lifeMs: HOUR });
    const revoked = await token();
    const suspended = await token();
    await changeEnrolmentToken(store.db, revoked.id, { revoked_at: new Date(nowMs) });
    await sql`update enrolment_token set suspended_at = now() where id = ${suspended.id}`.execute(
      store.db,
    );
    nowMs += HOUR;
    const presented = [elsewhere, expired, revoked, suspended].map(({ text }) => text);
    const guessed = `${(await token()).text.slice(0, -64)}${"0".repeat(64)}`;
    for (const enrolmentToken of [...presented, guessed, "noe_x_y", "'; drop table device; --"]) {
      expect(await enrolled("thief", { channel: "token-channel", enrolmentToken })).toBe(
        "ENROLMENT_CLOSED",
      );
    }
    await changeEnrolmentToken(store.db, suspended.id, { suspended_at: null });
    nowMs -= HOUR;
    const confirmed = { channel: "token-channel", enrolmentToken: suspended.text };
    expect(await enrolled("confirmed", confirmed)).toBe("accepted 1");
  });

  test("whatever is wrong with a token, its bearer is told the same", async () => {
    const wrong = [(await token({ channel: "beta" })).text, (await token({ lifeMs: -1 })).text, ""];
    const told = await Promise.all(
      wrong.map((enrolmentToken) =>
        enrol(deps(), "curious", {
          channel: "token-channel",
          target: "",
          publicKey: seed(1),
          enrolmentToken,
        }).catch((error: unknown) => (error as Error).message),
      ),
    );
    expect(new Set(told)).toEqual(
      new Set([
        "channel token-channel takes devices by enrolment token, and none that is good for it was brought; make one with `nix-ota enrol-token create --channel token-channel` and give it to the device",
      ]),
    );
  });

  test("a hijacked first enrolment: a token replaces no key", async () => {
    const good = await token({ maxUses: 2 });
    const by = { channel: "token-channel", enrolmentToken: good.text };
    expect(await enrolled("pinned", by)).toBe("accepted 1");
    expect(await enrolled("pinned", { ...by, byte: 66 })).toBe("KEY_CONFLICT");
    expect(await usesOf(good.id)).toBe(1);
  });

  test("a token approves nobody where an operator has to", async () => {
    const good = await token({ channel: "approve-channel" });
    const by = { channel: "approve-channel", enrolmentToken: good.text };
    expect(await enrolled("vouched-for", by)).toBe("pending 1");
    expect(await enrolledBy("vouched-for")).toBe(`token:${good.id}`);
  });

  test("an enrolment flood ends at the share of an hour, over all channels, and at what the server may hold", async () => {
    await uncounted();
    limits = { ...limits, perHour: 3 };
    const flood = async (name: string) =>
      (
        await Promise.all(
          [1, 2, 3, 4, 5, 6].map((one) =>
            enrolled(`${name}-${one}`, {
              channel: one % 2 === 0 ? "approve-channel" : `invented-${one}`,
            }),
          ),
        )
      ).filter((outcome) => outcome === "OVERLOADED" || outcome === "ENROLMENT_CLOSED");
    expect(await flood("burst")).toEqual(Array(3).fill("OVERLOADED"));
    const good = await token();
    const by = { channel: "token-channel", enrolmentToken: good.text };
    expect(await enrolled("not-kept-out", by)).toBe("accepted 1");
    nowMs += HOUR;
    expect(await flood("next")).toEqual(Array(3).fill("OVERLOADED"));

    await uncounted({ most: 2 });
    expect(await flood("last")).toEqual(Array(4).fill("ENROLMENT_CLOSED"));
    const { rows } = await sql<{ counted: bigint; came: bigint }>`
      select device_count as counted,
             (select count(*) from device where enrolled_by not like 'token:%') as came
        from open_enrolment`.execute(store.db);
    expect(rows[0]?.counted).toBe(rows[0]?.came);
  });

  test("who comes too soon is told when to come again", async () => {
    await uncounted();
    limits = { ...limits, perHour: 1 };
    await enrolled("first-of-the-hour");
    nowMs += HOUR / 4;
    const asked = { channel: "open-channel", target: "", publicKey: seed(1), enrolmentToken: "" };
    const refused = await enrol(deps(), "second", asked).catch((error: unknown) => error);
    expect(refused).toMatchObject({
      kind: "OVERLOADED",
      details: { retryAfterMs: (3 * HOUR) / 4 },
    });
  });

  test("another key that is presented without end is written down once a minute", async () => {
    await enrolled("besieged");
    const noted: (Date | null | undefined)[] = [];
    const began = Date.UTC(2026, 6, 1);
    for (const afterMs of [0, 1, 59_999, 60_001, 60_002]) {
      const now = new Date(began + afterMs);
      await noteKeyConflict(store.db, "besieged", { now, since: new Date(now.getTime() - 60_000) });
      const row = await store.db
        .selectFrom("device")
        .where("id", "=", "besieged")
        .select("key_conflict_at")
        .executeTakeFirst();
      noted.push(row?.key_conflict_at);
    }
    expect(noted.map((at) => (at?.getTime() ?? 0) - began)).toEqual([0, 0, 0, 60_001, 60_001]);
  });

  test("a forgotten device goes on at the epoch after the one it had", async () => {
    await sql`insert into forgotten_device (id, key_epoch) values ('was-here', 4)`.execute(
      store.db,
    );
    expect(await enrolled("was-here", { byte: 9 })).toBe("accepted 5");
    expect(await enrolled("was-here", { byte: 9 })).toBe("accepted 5");
  });
});
