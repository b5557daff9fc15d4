import { existsSync } from "node:fs";
import { stat } from "node:fs/promises";

import postgres from "postgres";
import { expect, test } from "vitest";

import { PostgresCluster } from "./postgres-cluster.ts";
import { findBinaries } from "./postgres-host.ts";

test("a cluster answers on each of its databases, runs without rights, and goes without a trace", async () => {
  let pid = 0;
  {
    await using cluster = await PostgresCluster.start();
    pid = cluster.pid;
    expect((await stat(`/proc/${pid}`)).uid).not.toBe(0);
    const url = await cluster.databaseUrl("first");
    expect(await cluster.databaseUrl("first")).toBe(url);
    const first = postgres(url, { max: 1 });
    const second = postgres(await cluster.databaseUrl("second"), { max: 1 });
    try {
      await first`create table only_here (id int)`;
      expect(await first`select current_database() as name`).toEqual([{ name: "first" }]);
      await expect(second`select * from only_here`).rejects.toThrow(/does not exist/);
    } finally {
      await first.end();
      await second.end();
    }
    const stranger = postgres(url.replace(/:[0-9a-f]{32}@/, ":wrong@"), { max: 1 });
    await expect(stranger`select 1`).rejects.toThrow(/password authentication failed/);
    await stranger.end();
  }
  expect(existsSync(`/proc/${pid}`)).toBe(false);
});

test("a cluster that must survive power cuts waits for the disk, others do not", async () => {
  const fsync = async (options?: { fsync: boolean }) => {
    await using cluster = await PostgresCluster.start(options);
    const database = postgres(await cluster.databaseUrl("settings"), { max: 1 });
    try {
      return (await database`show fsync`)[0]?.["fsync"] as unknown;
    } finally {
      await database.end();
    }
  };
  expect([await fsync(), await fsync({ fsync: true })]).toEqual(["off", "on"]);
});

test("missing binaries are named with Debian's package", () => {
  expect(() => findBinaries("/nonexistent")).toThrow(/apt-get install postgresql/);
});
