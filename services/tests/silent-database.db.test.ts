import { once } from "node:events";
import * as net from "node:net";

import { Code } from "@connectrpc/connect";
import { type Kysely, sql } from "kysely";
import postgres from "postgres";
import { afterAll, beforeAll, expect, inject, test } from "vitest";

import type { Database } from "../src/db/database.ts";
import { openPostgresql } from "../src/db/postgresql.ts";
import { allowTime } from "../src/db/statement-time.ts";
import type { Store } from "../src/db/store.ts";
import { answerTo } from "../src/errors.ts";
import { OtaError } from "../src/ota-error.ts";
import { createPostgresDatabase } from "./databases.testkit.ts";
import { Wire } from "./wire.testkit.ts";

const MINUTE = 60_000;
const SILENCE_MS = 800;
/** For a connection, for an answer, and for the machine. */
const MOST_MS = 10 * SILENCE_MS;

let wire: Wire;
let database = "";
let store: Store;
beforeAll(async () => {
  const url = new URL(await createPostgresDatabase());
  database = url.pathname.slice(1);
  wire = await Wire.to(url);
  url.host = `127.0.0.1:${wire.port}`;
  store = openPostgresql(url.href, () => undefined, SILENCE_MS);
});
afterAll(async () => {
  await store.close();
  await wire[Symbol.asyncDispose]();
});

const answer = async (db: Kysely<Database>) => (await sql`select 1 as one`.execute(db)).rows.length;
const outcome = async (call: Promise<unknown>) =>
  await call.then(
    () => "answered",
    (error: unknown) => (error instanceof OtaError ? error.kind : error),
  );
const many = async (call: () => Promise<unknown>) => {
  const began = performance.now();
  const outcomes = new Set(
    await Promise.all(Array.from({ length: 40 }, async () => await outcome(call()))),
  );
  return { outcomes: [...outcomes], ms: performance.now() - began };
};
/** More calls at a time than there are connections, and none of them waits for ever. */
const worksAgain = async () => {
  // One call finds out that the connections are gone, for all of them.
  await outcome(answer(store.db));
  expect((await many(() => answer(store.db))).outcomes).toEqual(["answered"]);
};

test("a database that falls silent is told of in time, however many ask, and is used again once it speaks", async () => {
  expect((await many(() => answer(store.db))).outcomes).toEqual(["answered"]);
  wire.cut();
  const { outcomes, ms } = await many(() => answer(store.db));
  expect(outcomes).toEqual(["DATABASE_UNAVAILABLE"]);
  expect(ms).toBeLessThan(MOST_MS);
  await expect.poll(() => wire.held, { timeout: MOST_MS }).toBe(0);
  wire.mend();
  await worksAgain();
});

test("a database that hangs up on everybody is told of at once", async () => {
  const hangsUp = net.createServer((socket) => socket.destroy());
  hangsUp.listen(0, "127.0.0.1");
  await once(hangsUp, "listening");
  const { port } = hangsUp.address() as net.AddressInfo;
  const other = openPostgresql(`postgres://x@127.0.0.1:${port}/x`, () => undefined, MINUTE);
  expect(answerTo(await answer(other.db).catch((error: unknown) => error)).error.code).toBe(
    Code.Unavailable,
  );
  await other.close();
  hangsUp.close();
});

test("a transaction whose connection falls silent ends, and leaves nothing behind", async () => {
  const table = sql.table("written");
  await sql`create table ${table} (number integer)`.execute(store.db);
  const write = store.db.transaction().execute(async (transaction) => {
    await sql`insert into ${table} values (1)`.execute(transaction);
    wire.cut();
    await sql`insert into ${table} values (2)`.execute(transaction);
  });
  expect(await outcome(write)).toBe("DATABASE_UNAVAILABLE");
  wire.mend();
  await worksAgain();
  expect((await sql`select * from ${table}`.execute(store.db)).rows).toEqual([]);
});

test("an answer that breaks off in the middle keeps nobody waiting", async () => {
  await worksAgain();
  wire.cutAfter(5_000);
  const long = sql`select repeat('x', 1000) from generate_series(1, 1000)`.execute(store.db);
  expect(await outcome(long)).toBe("DATABASE_UNAVAILABLE");
  wire.mend();
  await worksAgain();
});

test("a database that ends its sessions in the middle of transactions ends no program", async () => {
  const admin = postgres(inject("postgresUrl"), { max: 1, onnotice: () => undefined });
  const cut = async () => {
    await admin`select pg_terminate_backend(pid) from pg_stat_activity
      where datname = ${database}`;
  };
  const calls = Array.from({ length: 8 }, (_, index) =>
    store.db.transaction().execute(async (transaction) => {
      await answer(transaction);
      if (index === 0) setTimeout(() => void cut(), 50);
      await sql`select pg_sleep(5)`.execute(transaction);
    }),
  );
  const settled = await Promise.allSettled(calls);
  expect(new Set(settled.map(({ status }) => status))).toEqual(new Set(["rejected"]));
  // One that is at rest in a transaction meanwhile.
  const resting = store.db.transaction().execute(async (transaction) => {
    await answer(transaction);
    await cut();
    await answer(transaction);
  });
  expect(await outcome(resting)).not.toBe("answered");
  await worksAgain();
  await admin.end();
});

test("a transaction that was given time is waited for, and none after it", async () => {
  await worksAgain();
  const long = sql`select pg_sleep(${(2 * SILENCE_MS) / 1000}::text::float8)`;
  const given = store.db.transaction().execute(async (transaction) => {
    await allowTime(transaction, MINUTE);
    await long.execute(transaction);
  });
  expect(await outcome(given)).toBe("answered");
  expect(await outcome(long.execute(store.db))).toBe("DATABASE_UNAVAILABLE");
});

test("who listened to a database that is gone lets go of it without an error", async () => {
  const url = new URL(inject("postgresUrl"));
  const gone = await Wire.to(url);
  url.host = `127.0.0.1:${gone.port}`;
  const other = openPostgresql(url.href, () => undefined, MINUTE);
  const stopListening = await other.listen("anything", () => undefined);
  await gone[Symbol.asyncDispose]();
  await expect(stopListening()).resolves.toBeUndefined();
  await other.close();
});
