import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { sql } from "kysely";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { exportDatabase } from "../src/backup/export.ts";
import { findTables } from "../src/backup/table-queries.ts";
import { openEmbedded } from "../src/db/embedded.ts";
import { openPostgresql } from "../src/db/postgresql.ts";
import {
  createPostgresDatabase,
  DATABASES,
  openTestStore,
  type DatabaseKind,
} from "./databases.testkit.ts";
import { fillEveryTable } from "./filled-database.testkit.ts";
import { ENDS_WITH_ITS_STARTER, processEnvironment } from "./process-environment.testkit.ts";
import { ServerProcess } from "./server-process.testkit.ts";

const PROGRAM = fileURLToPath(new URL("../src/main.ts", import.meta.url));

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "nix-ota-backup-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const at = (name: string) => join(folder, name);

/** Where a database is, as the program is told. */
interface Place {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

async function place(kind: DatabaseKind, name: string): Promise<Place> {
  const argv = ["--data-dir", at(name)];
  return { argv, env: kind === "embedded" ? {} : { DATABASE_URL: await createPostgresDatabase() } };
}

function begin({ argv, env }: Place, words: readonly string[], wrapper: readonly string[] = []) {
  const [command, ...rest] = [...ENDS_WITH_ITS_STARTER, ...wrapper];
  const child = spawn(command, [...rest, process.execPath, PROGRAM, ...argv, ...words], {
    env: { ...processEnvironment(), ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const said = { stdout: "", stderr: "" };
  child.stdout.on("data", (text) => (said.stdout += String(text)));
  child.stderr.on("data", (text) => (said.stderr += String(text)));
  return { child, said };
}

async function run(where: Place, words: readonly string[], wrapper: readonly string[] = []) {
  const { child, said } = begin(where, words, wrapper);
  const [code] = (await once(child, "close")) as [number | null];
  return { code, ...said };
}

async function saidBy(child: ChildProcess, wanted: string): Promise<void> {
  for await (const text of child.stdout ?? []) if (String(text).includes(wanted)) return;
}

/** An export with so many events that its import takes a while. */
async function largeExport(events: number): Promise<string> {
  const store = await openTestStore("postgresql");
  try {
    await fillEveryTable(store.db);
    await sql`insert into device_event (device_id, event_id, number, detail)
      select 'gw-1', 'many-' || n, n, decode(repeat('0c', 200), 'hex')
        from generate_series(1, ${events}::int) n`.execute(store.db);
    const made = { version: "0.1.0", now: new Date("2026-11-25T18:00:00Z") };
    await exportDatabase(store, { ...made, file: at("large") });
    return at("large");
  } finally {
    await store.close();
  }
}

describe.each(DATABASES)("on %s", (kind) => {
  test("an import that is killed in the middle leaves an empty database, which the next one fills", async () => {
    const file = await largeExport(5_000);
    const where = await place(kind, "into");
    const { child } = begin(where, ["import", file]);
    await saidBy(child, "importing device_event");
    child.kill("SIGKILL");
    await once(child, "exit");
    const store =
      kind === "embedded"
        ? await openEmbedded(at("into"))
        : openPostgresql(where.env["DATABASE_URL"] ?? "", () => undefined);
    try {
      expect(await findTables(store.db)).toEqual([]);
    } finally {
      await store.close();
    }
    const again = await run(where, ["import", file]);
    expect(again).toMatchObject({ code: 0, stderr: "" });
    expect(again.stdout).toContain("nix-ota token confirm <id>");
    expect(again.stdout).toContain("channels that were paused by it: edge, prod");
  }, 120_000);
});

test("an export on a full disk leaves the one before, and nothing else", async () => {
  const where = await place("postgresql", "data");
  const file = await largeExport(5_000);
  expect((await run(where, ["import", file])).code).toBe(0);
  writeFileSync(at("backup"), "the one before");
  const limited = ["sh", "-c", 'ulimit -f 100; exec "$@"', "sh"];
  const failed = await run(where, ["export", at("backup")], limited);
  expect(failed).toMatchObject({ code: 1, stderr: expect.stringMatching(/EFBIG|file too large/) });
  expect(readFileSync(at("backup"), "utf8")).toBe("the one before");
  expect(readdirSync(folder).toSorted()).toEqual(["backup", "large"]);
  const good = await run(where, ["export", at("backup")]);
  expect(good).toMatchObject({ code: 0, stderr: "" });
  expect(statSync(at("backup")).size).toBeGreaterThan(100 * 1024);
});

test("the embedded database is not exported beside a server, and moves to PostgreSQL after it", async () => {
  const from = await place("embedded", "data");
  {
    const listen = ["--listen", "127.0.0.1:0"];
    await using server = await ServerProcess.start([...from.argv, ...listen], from.env);
    const refused = await run(from, ["export", at("backup")]);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain(`is in use by process ${server.pid}`);
    expect(existsSync(at("backup"))).toBe(false);
    await server.end("SIGTERM");
  }
  expect((await run(from, ["export", at("backup")])).code).toBe(0);
  const to = await place("postgresql", "other");
  expect((await run(to, ["import", at("backup")])).code).toBe(0);
  const marked = await run(to, ["restored"]);
  expect(marked).toMatchObject({ code: 0, stderr: "" });
  await using moved = await ServerProcess.start([...to.argv, "--listen", "127.0.0.1:0"], to.env);
  expect((await fetch(`${moved.url}/readyz`)).status).toBe(200);
});
