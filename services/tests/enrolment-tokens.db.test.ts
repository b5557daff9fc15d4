import { timestampDate, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { reasonOf } from "@nix-ota/proto/reason";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import type { Store } from "../src/db/store.ts";
import { DATABASES, openTestStore } from "./databases.testkit.ts";
import { seed } from "./manifests.testkit.ts";
import { clientsOf, TestDevice, TestServer } from "./server.testkit.ts";

const HOUR = 3_600_000;

describe.each(DATABASES)("enrolment tokens on %s", (kind) => {
  let store: Store;
  let server: TestServer;
  let nowMs = Date.UTC(2026, 0, 1);
  beforeAll(async () => {
    store = await openTestStore(kind);
    server = await TestServer.on(store, () => nowMs, ["--enrolment", "token"]);
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
  });

  const refusal = async (call: Promise<unknown>) => {
    const error = await call.then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    if (error === undefined) return "done";
    return reasonOf(error)?.reason ?? Code[ConnectError.from(error).code];
  };
  const make = async (fields: { channel?: string; maxUses?: number } = {}) => {
    const { token, secret } = await server.admin.access.createEnrolmentToken({
      channel: "prod",
      ...fields,
    });
    if (token === undefined) throw new Error("no token");
    return { token, secret };
  };
  const enrol = async (id: string, enrolmentToken: string) =>
    await refusal(
      new TestDevice(server.url, id, seed(1)).enrol({ channel: "prod", enrolmentToken }),
    );

  test("a token is told once, lets one device in within a day unless told otherwise, and is counted", async () => {
    const { token, secret } = await make();
    expect(secret).toMatch(new RegExp(`^noe_${token.id}_[0-9a-f]{64}$`));
    expect(token).toMatchObject({ channel: "prod", maxUses: 1, uses: 0, createdBy: "admin-token" });
    expect(timestampDate(token.expiresAt!).getTime() - nowMs).toBe(24 * HOUR);
    expect([
      await enrol("gw-0", ""),
      await enrol("gw-1", secret),
      await enrol("gw-2", secret),
    ]).toEqual(["ENROLMENT_CLOSED", "done", "ENROLMENT_CLOSED"]);
    const { tokens } = await server.admin.access.listEnrolmentTokens({ pageSize: 200 });
    expect(tokens.find(({ id }) => id === token.id)).toMatchObject({ uses: 1 });
    const { device } = await server.operator.checkin.getDevice({ deviceId: "gw-1" });
    expect(device?.enrolledBy).toBe(`token:${token.id}`);
    const kept = await sql<{ row: string }>`select t::text as row from enrolment_token t`.execute(
      store.db,
    );
    expect(kept.rows.map(({ row }) => row).join()).not.toContain(secret.slice(-64));
  });

  test("a token that was ended lets nobody in, and is ended once", async () => {
    const { token, secret } = await make({ maxUses: 3 });
    expect(await enrol("gw-3", secret)).toBe("done");
    const revoke = async () =>
      (await server.admin.access.revokeEnrolmentToken({ tokenId: token.id })).token;
    const first = await revoke();
    expect(timestampDate(first!.revokedAt!).getTime()).toBe(nowMs);
    nowMs += HOUR;
    expect((await revoke())?.revokedAt).toEqual(first?.revokedAt);
    expect(await enrol("gw-4", secret)).toBe("ENROLMENT_CLOSED");
    // Who came by it stays.
    expect(await enrol("gw-3", secret)).toBe("done");
  });

  test("a token that the restoration of a backup suspended waits for an admin", async () => {
    const { token, secret } = await make();
    await sql`update enrolment_token set suspended_at = now() where id = ${token.id}`.execute(
      store.db,
    );
    expect(await enrol("gw-5", secret)).toBe("ENROLMENT_CLOSED");
    const { token: confirmed } = await server.admin.access.confirmEnrolmentToken({
      tokenId: token.id,
    });
    expect(confirmed?.suspendedAt).toBeUndefined();
    expect(await enrol("gw-5", secret)).toBe("done");
  });

  test("each change leaves one row in the audit, without the secret", async () => {
    const { token, secret } = await make({ channel: "beta" });
    const tokenId = token.id;
    await server.admin.access.revokeEnrolmentToken({ tokenId });
    await server.admin.access.revokeEnrolmentToken({ tokenId });
    await server.admin.access.confirmEnrolmentToken({ tokenId });
    const { rows } = await sql<{ action: string; actor: string; row: string }>`
      select action, actor, a::text as row from audit a
       where subject = ${`beta enrolment token ${tokenId}`} order by id`.execute(store.db);
    expect(rows.map(({ action, actor }) => [action, actor])).toEqual([
      ["CreateEnrolmentToken", "admin-token"],
      ["RevokeEnrolmentToken", "admin-token"],
    ]);
    expect(JSON.stringify(rows)).not.toContain(secret.slice(-64));
  });

  test("the list goes by time of making, page by page, without secrets", async () => {
    for (let made = 0; made < 3; made += 1) await make();
    const pages: string[][] = [];
    for (let cursor = ""; pages.length === 0 || cursor !== "";) {
      const page = await server.admin.access.listEnrolmentTokens({ pageSize: 2, cursor });
      pages.push(page.tokens.map(({ id }) => id));
      cursor = page.nextCursor;
    }
    const { rows } = await sql<{ id: string }>`
      select id from enrolment_token order by created_at, id`.execute(store.db);
    expect(pages.flat()).toEqual(rows.map(({ id }) => id));
    expect(Math.max(...pages.map((page) => page.length))).toBe(2);
  });

  test("tokens are an admin's, and what is not there or makes no sense is refused", async () => {
    const { access } = server.admin;
    const { access: reader } = server.operator;
    const { access: nobody } = clientsOf(server.url);
    const channel = "prod";
    const tokenId = "0123456789abcdef";
    expect([
      await refusal(reader.createEnrolmentToken({ channel })),
      await refusal(reader.listEnrolmentTokens({})),
      await refusal(reader.revokeEnrolmentToken({ tokenId })),
      await refusal(reader.confirmEnrolmentToken({ tokenId })),
      await refusal(nobody.listEnrolmentTokens({})),
      await refusal(access.revokeEnrolmentToken({ tokenId })),
      await refusal(access.confirmEnrolmentToken({ tokenId: "\0'; --" })),
      await refusal(access.createEnrolmentToken({ channel, expiresAt: timestampFromMs(nowMs) })),
      await refusal(access.createEnrolmentToken({ channel, expiresAt: { seconds: 2n ** 60n } })),
      await refusal(access.listEnrolmentTokens({ cursor: "x" })),
    ]).toEqual([
      ...Array(4).fill("SCOPE_MISSING"),
      "CREDENTIAL_INVALID",
      "TOKEN_UNKNOWN",
      "TOKEN_UNKNOWN",
      "InvalidArgument",
      "InvalidArgument",
      "CURSOR_INVALID",
    ]);
  });
});
