import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { reasonOf } from "@nix-ota/proto/reason";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import type { Caller } from "../src/access/caller.ts";
import { endedCallers } from "../src/access/ended-callers.ts";
import type { Store } from "../src/db/store.ts";
import { DATABASES, openTestStore } from "./databases.testkit.ts";
import { envelope, KEY, seed } from "./manifests.testkit.ts";
import { clientsOf, TestDevice, TestServer } from "./server.testkit.ts";

const HOUR = 3_600_000;

describe.each(DATABASES)("on %s", (kind) => {
  let store: Store;
  let server: TestServer;
  /** Ahead of the machine's clock. */
  let aheadMs = 0;
  beforeAll(async () => {
    store = await openTestStore(kind);
    server = await TestServer.on(store, () => Date.now() + aheadMs);
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
  });

  const make = async (name: string, scopes: string[], endsInMs?: number) => {
    const expiresAt = endsInMs === undefined ? undefined : timestampFromMs(Date.now() + endsInMs);
    const made = await server.admin.access.createToken({
      name,
      scopes,
      ...(expiresAt === undefined ? {} : { expiresAt }),
    });
    const id = made.token?.id ?? "";
    return { id, secret: made.secret, clients: clientsOf(server.url, made.secret) };
  };
  const refusal = async (call: Promise<unknown>) =>
    await call.then(
      () => "answered",
      (error: unknown) => reasonOf(error)?.reason ?? ConnectError.from(error).code,
    );
  const rowsOfAudit = async (subject: string) =>
    await store.db
      .selectFrom("audit")
      .where("subject", "=", subject)
      .orderBy("id")
      .select(["actor", "action", "address", "before", "after"])
      .execute();

  test("a token does what its scopes say until it is revoked, and the audit tells who gave and took it", async () => {
    const { id, secret, clients } = await make("ci", ["publish:prod", "read", "read"], HOUR);
    expect(await clients.access.getCaller({})).toMatchObject({
      name: "ci",
      scopes: ["publish:prod", "read"],
      expiresAt: { seconds: expect.any(BigInt) as bigint },
    });
    const { release } = await clients.publish.publish({
      envelopes: [envelope({ revision: 1n })],
      publicKeys: [{ key: KEY }],
    });
    expect(release?.publishedBy).toBe("ci");
    const first = await server.admin.access.revokeToken({ tokenId: id });
    expect(await refusal(clients.access.getCaller({}))).toBe("CREDENTIAL_INVALID");
    const again = await server.admin.access.revokeToken({ tokenId: id });
    expect(again.token?.revokedAt).toEqual(first.token?.revokedAt);
    const rows = await rowsOfAudit(`token ${id}`);
    expect(rows).toMatchObject([
      { actor: "admin-token", action: "CreateToken", before: null, after: { name: "ci" } },
      { actor: "admin-token", action: "RevokeToken", after: { revokedAt: expect.any(String) } },
    ]);
    expect(JSON.stringify(rows)).not.toContain(secret);
  });

  test("one token used past its scope is refused, and makes no other token", async () => {
    const { clients } = await make("narrow", ["publish:prod", "operate:*", "read"]);
    const other = clients.publish.publish({
      envelopes: [envelope({ channel: "other", revision: 1n })],
      publicKeys: [{ key: KEY }],
    });
    const report = new TestDevice(server.url, "gw-1", seed(1)).next({});
    expect([
      await refusal(other),
      await refusal(clients.access.createToken({ name: "more", scopes: ["admin"] })),
      await refusal(clients.access.listTokens({})),
      await refusal(clients.access.confirmToken({ tokenId: "0123456789abcdef" })),
      await refusal(clients.access.revokeToken({ tokenId: "0123456789abcdef" })),
      await refusal(clients.checkin.checkIn({ report })),
    ]).toEqual(Array.from({ length: 6 }, () => "SCOPE_MISSING"));
  });

  test("an admin reads and gives, and publishes nothing", async () => {
    const { clients } = await make("boss", ["admin"]);
    expect((await clients.access.listTokens({})).tokens.map(({ name }) => name)).toContain("boss");
    const publish = clients.publish.publish({ envelopes: [envelope({ revision: 2n })] });
    expect(await refusal(publish)).toBe("SCOPE_MISSING");
  });

  test("a guessed token is told nothing: an id that exists reads as one that does not", async () => {
    const { id, secret } = await make("guessed", ["read"]);
    const wrong = secret.replace(/.$/, (last) => (last === "0" ? "1" : "0"));
    await server.admin.access.revokeToken({ tokenId: id });
    const sentences = await Promise.all(
      [wrong, wrong.replace(id, "0".repeat(16)), "nota_x", "w".repeat(64)].map((text) =>
        clientsOf(server.url, text).access.getCaller({}).catch(String),
      ),
    );
    expect(new Set(sentences)).toEqual(
      new Set(["ConnectError: [unauthenticated] the credential is not known to this server"]),
    );
    // Whoever has it is told what became of it.
    expect(await clientsOf(server.url, secret).access.getCaller({}).catch(String)).toContain(
      "the token guessed was revoked",
    );
  });

  test("a token ends by itself", async () => {
    const { clients } = await make("short", ["read"], HOUR);
    aheadMs = HOUR - 10_000;
    expect(await refusal(clients.access.getCaller({}))).toBe("answered");
    aheadMs = HOUR;
    expect(await refusal(clients.access.getCaller({}))).toBe("CREDENTIAL_INVALID");
    aheadMs = 0;
  });

  test("after a restoration tokens wait until an admin confirms them", async () => {
    const { id, clients } = await make("restored", ["read"]);
    await store.db
      .updateTable("operator_token")
      .set({ suspended_at: new Date() })
      .where("id", "=", id)
      .execute();
    expect(await clients.access.getCaller({}).catch(String)).toContain(
      `nix-ota token confirm ${id}`,
    );
    for (let round = 0; round < 2; round += 1) {
      const { token } = await server.admin.access.confirmToken({ tokenId: id });
      expect(token?.suspendedAt).toBeUndefined();
    }
    expect(await refusal(clients.access.getCaller({}))).toBe("answered");
    expect((await rowsOfAudit(`token ${id}`)).map(({ action }) => action)).toEqual([
      "CreateToken",
      "ConfirmToken",
    ]);
    expect(await refusal(server.admin.access.confirmToken({ tokenId: "nobody's\0" }))).toBe(
      "TOKEN_UNKNOWN",
    );
    expect(await refusal(server.admin.access.revokeToken({ tokenId: "0".repeat(16) }))).toBe(
      "TOKEN_UNKNOWN",
    );
  });

  test("when a token was used is noted to the minute", async () => {
    const { id, clients } = await make("used", ["read"]);
    const lastUse = async () => {
      const { last_used_at: at } = await store.db
        .selectFrom("operator_token")
        .where("id", "=", id)
        .select("last_used_at")
        .executeTakeFirstOrThrow();
      return at?.getTime();
    };
    expect(await lastUse()).toBeUndefined();
    await clients.access.getCaller({});
    // It is written beside the call, at the latest before the next statement's answer is read.
    await expect.poll(lastUse, { timeout: 20_000 }).toBeTypeOf("number");
    expect((await lastUse()) ?? 1).toSatisfy((ms: number) => ms % 60_000 === 0);
  });

  test("names that stand for files or read like another, ends in the past and unknown scopes are refused", async () => {
    const { access } = server.admin;
    const past = timestampFromMs(Date.now() - 1);
    const never = { seconds: 2n ** 62n, nanos: 0 };
    const calls = [
      access.createToken({ name: "publish-token", scopes: ["read"] }),
      access.createToken({ name: "a\0b", scopes: ["read"] }),
      access.createToken({ name: "admin-token\u200b", scopes: ["read"] }),
      access.createToken({ name: "admin-token ", scopes: ["read"] }),
      access.createToken({ name: "late", scopes: ["read"], expiresAt: past }),
      access.createToken({ name: "late", scopes: ["read"], expiresAt: never }),
      access.createToken({ name: "odd", scopes: ["publish:"] }),
      access.createToken({ name: "odd", scopes: ["root"] }),
      access.createToken({ name: "odd", scopes: [] }),
    ];
    expect(await Promise.all(calls.map(refusal))).toEqual(calls.map(() => Code.InvalidArgument));
  });

  test("tokens are listed page by page, in the order of their making, without secrets", async () => {
    for (const name of ["page-1", "page-2", "page-3"]) await make(name, ["read"]);
    const names: string[] = [];
    let cursor = "";
    do {
      const page = await server.admin.access.listTokens({ pageSize: 2, cursor });
      expect(
        JSON.stringify(page, (_key, value: unknown) => (typeof value === "bigint" ? 0 : value)),
      ).not.toMatch(/[0-9a-f]{64}/);
      names.push(...page.tokens.map(({ name }) => name));
      cursor = page.nextCursor;
    } while (cursor !== "");
    const { tokens } = await server.admin.access.listTokens({ pageSize: 200 });
    expect(names).toEqual(tokens.map(({ name }) => name));
    expect(names.slice(-3)).toEqual(["page-1", "page-2", "page-3"]);
  });

  test("a revoked token on an open session: the callers of calls that last are found out together", async () => {
    const nowMs = Date.now();
    const operator = async (name: string, endsInMs?: number) => {
      const { id } = await make(name, ["read"], endsInMs);
      const caller: Caller = {
        kind: "operator",
        name,
        scopes: ["read"],
        expiresAtMs: undefined,
        credential: { kind: "token", tokenId: id },
      };
      return { id, caller };
    };
    const [good, revoked, ending] = await Promise.all([
      operator("s-good"),
      operator("s-revoked"),
      operator("s-ending", HOUR),
    ]);
    await Promise.all(["s-dev", "s-out", "s-rekeyed"].map((id) => server.device(id)));
    const device = (deviceId: string, keyEpoch = 1, expiresInMs = 2 * HOUR): Caller => ({
      kind: "device",
      session: { deviceId, keyEpoch, expiresAtS: Math.floor((nowMs + expiresInMs) / 1000) },
    });
    const file: Caller = {
      kind: "operator",
      name: "admin-token",
      scopes: ["admin"],
      expiresAtMs: undefined,
      credential: { kind: "file" },
    };
    const callers = [
      good.caller,
      revoked.caller,
      ending.caller,
      file,
      { kind: "nobody" } as const,
      device("s-dev"),
      device("s-dev", 1, 1000),
      device("s-out"),
      device("s-rekeyed"),
      device("s-unknown"),
    ];
    await server.admin.access.revokeToken({ tokenId: revoked.id });
    await store.db
      .updateTable("device")
      .set({ standing: "revoked" })
      .where("id", "=", "s-out")
      .execute();
    await store.db
      .updateTable("device")
      .set({ key_epoch: 2 })
      .where("id", "=", "s-rekeyed")
      .execute();
    const ended = async (at: number) => {
      const found = await endedCallers(store.db, callers, at);
      return callers.flatMap((caller, index) => (found.has(caller) ? [index] : []));
    };
    expect(await ended(nowMs)).toEqual([1, 7, 8, 9]);
    expect(await ended(nowMs + HOUR + 1000)).toEqual([1, 2, 6, 7, 8, 9]);
  });

  test("the audit is read newest first, page by page, by actor and by how the subject begins", async () => {
    await store.db
      .insertInto("audit")
      .values(
        [1, 2, 3, 4, 5].map((number) => ({
          actor: number % 2 === 0 ? "even" : "odd",
          action: "Publish",
          subject: number === 5 ? "paged%" : `paged r${number}`,
          address: "192.0.2.1",
          before: null,
          after: null,
        })),
      )
      .execute();
    const read = async (filter: { actor?: string; subjectPrefix?: string }) => {
      const subjects: string[] = [];
      let cursor = "";
      do {
        const page = await server.admin.access.listAuditEntries({ ...filter, pageSize: 2, cursor });
        subjects.push(...page.entries.map(({ subject }) => subject));
        cursor = page.nextCursor;
      } while (cursor !== "");
      return subjects;
    };
    expect(await read({ subjectPrefix: "paged " })).toEqual([
      "paged r4",
      "paged r3",
      "paged r2",
      "paged r1",
    ]);
    expect(await read({ actor: "odd" })).toEqual(["paged%", "paged r3", "paged r1"]);
    expect(await read({ actor: "even", subjectPrefix: "paged r2" })).toEqual(["paged r2"]);
    // Letter for letter: no pattern, and nothing that a database cannot hold.
    expect(await read({ subjectPrefix: "paged%" })).toEqual(["paged%"]);
    expect(await read({ subjectPrefix: "%" })).toEqual([]);
    expect(await read({ actor: "\0" })).toEqual([]);
    const [entry] = (await server.admin.access.listAuditEntries({ actor: "admin-token" })).entries;
    expect(JSON.parse(entry?.afterJson ?? "")).toHaveProperty("name");
    expect(entry).toMatchObject({
      address: "127.0.0.1",
      at: { seconds: expect.any(BigInt) as bigint },
    });
    expect(await refusal(server.operator.access.listAuditEntries({}))).toBe("SCOPE_MISSING");
    const cursor = Buffer.from(JSON.stringify(["ListAuditEntries", "x"])).toString("base64url");
    expect(await refusal(server.admin.access.listAuditEntries({ cursor }))).toBe("CURSOR_INVALID");
  });
});
