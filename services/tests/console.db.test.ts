import { afterAll, beforeAll, describe, expect, test } from "vitest";

import type { Caller } from "../src/access/caller.ts";
import { sweepSessions } from "../src/access/console-queries.ts";
import { readSessionCookie, SESSIONS_PER_TOKEN } from "../src/access/console-session.ts";
import { endedCallers } from "../src/access/ended-callers.ts";
import type { Store } from "../src/db/store.ts";
import { DATABASES, openTestStore } from "./databases.testkit.ts";
import { TestServer } from "./server.testkit.ts";

const MINUTE = 60_000;
const OWN = { "sec-fetch-site": "same-origin" };

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

  /** What a browser sends, with the headers that it sets by itself. */
  const send = async (
    call: string,
    headers: Record<string, string>,
    init: { method?: string; body?: string } = {},
  ) => {
    const { method = "POST", body = "{}" } = init;
    const response = await fetch(`${server.url}/nixota.v1.AccessService/${call}`, {
      method,
      headers: { ...(method === "GET" ? {} : { "content-type": "application/json" }), ...headers },
      ...(method === "GET" ? {} : { body }),
    });
    const answer = (await response.json()) as Record<string, unknown>;
    return { status: response.status, answer, setCookie: response.headers.get("set-cookie") };
  };
  const reason = ({ answer }: { answer: Record<string, unknown> }) => {
    const [detail] = (answer["details"] ?? []) as { debug?: { reason?: string } }[];
    return detail?.debug?.reason?.replace("ERROR_REASON_", "");
  };
  const make = async (name: string, scopes = ["read"]) => {
    const { token, secret } = await server.admin.access.createToken({ name, scopes });
    return { id: token?.id ?? "", secret };
  };
  const signIn = async (secret: string) => {
    const signed = await send("SignIn", OWN, { body: JSON.stringify({ token: secret }) });
    expect(signed.status).toBe(200);
    return signed.setCookie?.split(";")[0] ?? "";
  };
  const who = async (cookie: string) => {
    const { status, answer } = await send("GetCaller", { ...OWN, cookie });
    return status === 200 ? answer["name"] : status;
  };
  const auditOf = async (actor: string) =>
    await store.db
      .selectFrom("audit")
      .where("actor", "=", actor)
      .orderBy("id")
      .select(["action", "subject"])
      .execute();

  test("a person signs in with a token, calls by the cookie and signs out, and the audit tells", async () => {
    const { secret } = await make("anna", ["admin"]);
    const cookie = await signIn(secret);
    expect(await who(cookie)).toBe("anna");
    const made = await send(
      "CreateToken",
      { ...OWN, cookie },
      {
        body: JSON.stringify({ name: "by-cookie", scopes: ["read"] }),
      },
    );
    expect(made.answer["token"]).toMatchObject({ createdBy: "anna" });
    const out = await send("SignOut", { ...OWN, cookie });
    expect(out.setCookie).toMatch(/^__Host-nix-ota=; Max-Age=0;/);
    expect(await who(cookie)).toBe(401);
    // Idempotent, also for a browser that lost the answer.
    expect((await send("SignOut", { ...OWN, cookie })).status).toBe(200);
    expect(await auditOf("anna")).toEqual([
      { action: "SignIn", subject: "console" },
      { action: "CreateToken", subject: expect.stringMatching(/^token /) as string },
      { action: "SignOut", subject: "console" },
    ]);
  });

  test("the cookie's value is nowhere in the database", async () => {
    const cookie = await signIn((await make("hidden")).secret);
    const rows = await store.db.selectFrom("console_session").selectAll().execute();
    const value = Buffer.from(cookie.split("=")[1] ?? "");
    for (const row of rows) {
      expect(Buffer.from(row.id_sha256).includes(value.subarray(0, 16))).toBe(false);
    }
    expect(rows.map(({ id_sha256 }) => Buffer.from(id_sha256).toString("hex"))).toContain(
      Buffer.from(readSessionCookie(cookie) ?? []).toString("hex"),
    );
  });

  test("a stolen cookie from another origin is refused, as is a sign-in by a foreign page", async () => {
    const { secret } = await make("victim");
    const cookie = await signIn(secret);
    const foreign = { origin: "https://evil.example.org", "sec-fetch-site": "cross-site" };
    const calls = [
      send("GetCaller", { ...foreign, cookie }),
      send("GetCaller", { cookie }),
      send("GetCaller?encoding=json&message=%7B%7D", { cookie }, { method: "GET" }),
      send("GetCaller?encoding=json&message=%7B%7D", { ...foreign, cookie }, { method: "GET" }),
      send("SignIn", foreign, { body: JSON.stringify({ token: secret }) }),
      send("SignIn", {}, { body: JSON.stringify({ token: secret }) }),
      send("SignOut", { ...foreign, cookie }),
    ];
    const refused = await Promise.all(calls);
    expect(refused.map(({ status }) => status)).toEqual(calls.map(() => 403));
    expect(refused.map(reason)).toEqual(calls.map(() => "ORIGIN_REFUSED"));
    expect(refused.map(({ setCookie }) => setCookie)).toEqual(calls.map(() => null));
    const own = await Promise.all([
      send("GetCaller", { origin: server.url, cookie }),
      send("GetCaller?encoding=json&message=%7B%7D", { ...OWN, cookie }, { method: "GET" }),
    ]);
    expect(own.map(({ status }) => status)).toEqual([200, 200]);
  });

  test("a session ends idle after half an hour, and after twelve hours in any case", async () => {
    const cookie = await signIn((await make("idle")).secret);
    try {
      aheadMs = 28 * MINUTE;
      expect(await who(cookie)).toBe("idle");
      await expect
        .poll(async () => {
          const rows = await store.db
            .selectFrom("console_session")
            .select("last_used_at")
            .execute();
          return Math.max(...rows.map(({ last_used_at }) => last_used_at.getTime()));
        })
        .toBeGreaterThan(Date.now() + 26 * MINUTE);
      aheadMs = 56 * MINUTE;
      expect(await who(cookie)).toBe("idle");
      aheadMs = 12 * 60 * MINUTE + MINUTE;
      expect(await who(cookie)).toBe(401);
      await sweepSessions(store.db, Date.now() + aheadMs);
      expect(await store.db.selectFrom("console_session").selectAll().execute()).toEqual([]);
    } finally {
      aheadMs = 0;
    }
  });

  test("a session ends with its token, whether that is revoked, suspended or over", async () => {
    const outcomes = await Promise.all(
      (["revoked_at", "suspended_at", "expires_at"] as const).map(async (column) => {
        const { id, secret } = await make(`ends-${column}`);
        const cookie = await signIn(secret);
        const before = await who(cookie);
        await store.db
          .updateTable("operator_token")
          .set({ [column]: new Date(Date.now() - 1) })
          .where("id", "=", id)
          .execute();
        return [before === `ends-${column}`, await who(cookie)];
      }),
    );
    expect(outcomes).toEqual([1, 2, 3].map(() => [true, 401]));
    const { id, secret } = await make("revoked-by-call");
    const cookie = await signIn(secret);
    await server.admin.access.revokeToken({ tokenId: id });
    expect(await who(cookie)).toBe(401);
    const left = await store.db
      .selectFrom("console_session")
      .where("token_id", "=", id)
      .selectAll()
      .execute();
    expect(left).toEqual([]);
  });

  test("a session opened with a file's secret ends when the file has another", async () => {
    const cookie = await signIn(server.token);
    expect(await who(cookie)).toBe("publish-token");
    await store.db
      .updateTable("console_session")
      .set({ secret_sha256: new Uint8Array(32).fill(1) })
      .where("id_sha256", "=", readSessionCookie(cookie)!)
      .execute();
    expect(await who(cookie)).toBe(401);
  });

  test("whoever signs in again and again keeps the newest sessions", async () => {
    const { secret } = await make("often");
    const first = await signIn(secret);
    for (let count = 0; count < SESSIONS_PER_TOKEN; count += 1) await signIn(secret);
    expect(await who(first)).toBe(401);
    const { count } = await store.db
      .selectFrom("console_session")
      .innerJoin("operator_token", "operator_token.id", "token_id")
      .where("name", "=", "often")
      .select((query) => query.fn.countAll<bigint>().as("count"))
      .executeTakeFirstOrThrow();
    expect(Number(count)).toBe(SESSIONS_PER_TOKEN);
  });

  test("an open stream of the console is found out when its session is over", async () => {
    const { id, secret } = await make("stream");
    const cookies = await Promise.all([1, 2].map(() => signIn(secret)));
    const [kept, left] = cookies.map((cookie): Caller => ({
      kind: "operator",
      name: "stream",
      scopes: ["read"],
      expiresAtMs: undefined,
      credential: { kind: "console", sessionSha256: readSessionCookie(cookie)!, tokenId: id },
    })) as [Caller, Caller];
    await send("SignOut", { ...OWN, cookie: cookies[1] ?? "" });
    expect([...(await endedCallers(store.db, [kept, left], Date.now()))]).toEqual([left]);
    expect([...(await endedCallers(store.db, [kept], Date.now() + 31 * MINUTE))]).toEqual([kept]);
    await server.admin.access.revokeToken({ tokenId: id });
    expect([...(await endedCallers(store.db, [kept], Date.now()))]).toEqual([kept]);
  });
});
