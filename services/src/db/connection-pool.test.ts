import { expect, test } from "vitest";

import { ConnectionPool, type PooledConnection } from "./connection-pool.ts";

/** A connection that says what became of it. */
class Line implements PooledConnection {
  isLost = false;
  ended = "";
  async query<R>() {
    return await Promise.resolve({ command: "SELECT" as const, rowCount: 0, rows: [] as R[] });
  }
  close() {
    this.ended = "cut";
  }
  async end() {
    this.ended = "ended";
    await Promise.resolve();
  }
}

function poolOf(size: number, waitMs = 60_000) {
  const lines: Line[] = [];
  const clock = { ms: 0 };
  const open = () => {
    const line = new Line();
    lines.push(line);
    return line;
  };
  const monotonicMs = () => clock.ms;
  const pool = new ConnectionPool({ open, size, waitMs, endLimitS: 1, lifeMs: 1000, monotonicMs });
  return { pool, lines, clock };
}

test("connections are lent again, and made only when none is free", async () => {
  const { pool, lines } = poolOf(2);
  const first = await pool.connect();
  first.release();
  const [one, two] = [await pool.connect(), await pool.connect()];
  expect([lines.length, pool.use]).toEqual([2, { inUse: 2, waiting: 0, size: 2 }]);
  one.release();
  two.release();
  expect([lines.length, pool.use.inUse]).toEqual([2, 0]);
});

test("who waits is served first come first served, with one that works", async () => {
  const { pool, lines } = poolOf(1);
  const lent = await pool.connect();
  const order: string[] = [];
  const waiting = ["first", "second"].map(async (name) => {
    const mine = await pool.connect();
    order.push(name);
    return mine;
  });
  expect(pool.use).toEqual({ inUse: 1, waiting: 2, size: 1 });
  lines[0]!.isLost = true;
  lent.release();
  (await waiting[0]!).release();
  (await waiting[1]!).release();
  expect([order, lines.map(({ ended }) => ended)]).toEqual([
    ["first", "second"],
    ["cut", ""],
  ]);
});

test("who waits for too long is told so, and takes nobody's turn", async () => {
  const { pool } = poolOf(1, 20);
  const lent = await pool.connect();
  await expect(pool.connect()).rejects.toMatchObject({ kind: "DATABASE_UNAVAILABLE" });
  expect(pool.use.waiting).toBe(0);
  lent.release();
  (await pool.connect()).release();
});

test("with one that was lost those at rest are made anew", async () => {
  const { pool, lines } = poolOf(3);
  const lent = [await pool.connect(), await pool.connect(), await pool.connect()];
  lent[0]!.release();
  lines[1]!.isLost = true;
  lent[1]!.release();
  lent[2]!.release();
  expect(lines.map(({ ended }) => ended)).toEqual(["cut", "cut", ""]);
  await pool.connect();
  expect(lines).toHaveLength(3);
});

test("one that is spoilt, lost or old is not lent again", async () => {
  const { pool, lines, clock } = poolOf(1);
  (await pool.connect()).release(true);
  (await pool.connect()).release();
  lines[1]!.isLost = true;
  (await pool.connect()).release();
  clock.ms = 1001;
  (await pool.connect()).release();
  (await pool.connect()).release();
  expect(lines.map(({ ended }) => ended)).toEqual(["cut", "", "ended", ""]);
  await pool.end();
  expect(lines.at(-1)?.ended).toBe("ended");
});

test("who waits when the pool ends is refused at once, and so is who asks later", async () => {
  const { pool, lines } = poolOf(1);
  const lent = await pool.connect();
  const waiting = expect(pool.connect()).rejects.toMatchObject({ kind: "DATABASE_UNAVAILABLE" });
  await pool.end();
  await waiting;
  await expect(pool.connect()).rejects.toMatchObject({ kind: "DATABASE_UNAVAILABLE" });
  lent.release();
  expect([pool.use.waiting, lines.length]).toEqual([0, 1]);
});
