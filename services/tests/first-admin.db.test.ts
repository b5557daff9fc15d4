import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { reasonOf } from "@nix-ota/proto/reason";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";

import { firstAdminFile } from "../src/access/first-admin-file.ts";
import { ensureFirstAdmin, spendFirstAdmin } from "../src/access/first-admin.ts";
import { createOperatorCheck } from "../src/access/operator-check.ts";
import { makeSecretToken } from "../src/access/secret-token.ts";
import { createUseNotes } from "../src/access/use-notes.ts";
import { createCallLimits } from "../src/call-limits.ts";
import type { Store } from "../src/db/store.ts";
import { LIMITS } from "../src/limits.ts";
import { createPostgresDatabase, DATABASES, openTestStore } from "./databases.testkit.ts";
import { ServerProcess } from "./server-process.testkit.ts";
import { clientsOf } from "./server.testkit.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "nix-ota-first-admin-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const tokenIn = (dataDir: string) =>
  readFileSync(join(dataDir, "first-admin.token"), "utf8").trim();

describe.each(DATABASES)("on %s", (kind) => {
  let store: Store;
  beforeAll(async () => {
    store = await openTestStore(kind);
  });
  afterEach(async () => {
    await store.db.deleteFrom("operator_token").execute();
  });
  afterAll(async () => {
    await store.close();
  });

  const start = async (options: { hasAdminFile?: boolean; isOnlyServer?: boolean } = {}) => {
    const { kind: found } = await ensureFirstAdmin({
      db: store.db,
      file: firstAdminFile(folder),
      hasAdminFile: false,
      isOnlyServer: false,
      nowMs: Date.now(),
      ...options,
    });
    return found;
  };
  const who = async (token: string) => {
    const useNotes = createUseNotes(() => undefined);
    const files = { publishToken: undefined, adminToken: undefined };
    const limits = createCallLimits(LIMITS, Math.random, () => undefined);
    const check = createOperatorCheck({ db: store.db, files, useNotes, limits });
    const outcome = await check.byToken(token, { nowMs: Date.now(), address: "" }).then(
      ({ name }) => name,
      (error: Error) => error.message,
    );
    await useNotes.drain();
    return outcome;
  };
  const suspendAll = async () => {
    await store.db.updateTable("operator_token").set({ suspended_at: new Date() }).execute();
  };

  test("a start without an admin makes one whose token only the host's owner reads, and a restart keeps it", async () => {
    expect(await start()).toBe("in-file");
    const token = tokenIn(folder);
    expect(statSync(join(folder, "first-admin.token")).mode & 0o777).toBe(0o600);
    expect([await start(), tokenIn(folder), await who(token)]).toEqual([
      "in-file",
      token,
      "first-admin",
    ]);
  });

  test("a crash between the file and the row leaves a token that is nobody's, and the next start another", async () => {
    const lost = makeSecretToken("nota").text;
    writeFileSync(join(folder, "first-admin.token"), `${lost}\n`);
    expect(await start()).toBe("in-file");
    expect(await who(lost)).toMatch(/not known/);
    expect(await who(tokenIn(folder))).toBe("first-admin");
  });

  test("after a restoration the next start writes another, by which the admin gets in", async () => {
    await start();
    const before = tokenIn(folder);
    await suspendAll();
    expect(await start()).toBe("in-file");
    expect(tokenIn(folder)).not.toBe(before);
    expect(await who(before)).toMatch(/confirm/);
    expect(await who(tokenIn(folder))).toBe("first-admin");
  });

  test("with another admin the start ends what an earlier one left, file and token", async () => {
    await start();
    const token = tokenIn(folder);
    expect(await start({ hasAdminFile: true })).toBe("not-needed");
    expect(existsSync(join(folder, "first-admin.token"))).toBe(false);
    expect(await who(token)).toMatch(/revoked/);
  });

  test("of calls that use it at the same time one makes an admin, and the others are refused", async () => {
    await start();
    const { id } = firstAdminFile(folder).read()!;
    const operator = {
      kind: "operator",
      name: "first-admin",
      scopes: ["admin"],
      expiresAtMs: undefined,
      credential: { kind: "token", tokenId: id },
    } as const;
    const spent = await Promise.all(
      Array.from({ length: 5 }, () =>
        store.db
          .transaction()
          .execute((db) => spendFirstAdmin(db, operator))
          .catch((error: Error) => error.message),
      ),
    );
    expect(spent.filter((outcome) => outcome === true)).toHaveLength(1);
    expect(spent.filter((outcome) => String(outcome).includes("was used"))).toHaveLength(4);
  });

  test("a token whose file is gone is replaced, unless it can lie with another server", async () => {
    await start();
    const lost = tokenIn(folder);
    rmSync(join(folder, "first-admin.token"));
    expect(await start()).toBe("elsewhere");
    expect(await who(lost)).toBe("first-admin");
    expect(await start({ isOnlyServer: true })).toBe("in-file");
    expect(await who(lost)).toMatch(/revoked/);
    expect(await who(tokenIn(folder))).toBe("first-admin");
  });
});

const processOf = async (dataDir: string, env: Readonly<Record<string, string>> = {}) =>
  await ServerProcess.start(["--listen", "127.0.0.1:0", "--data-dir", dataDir], env);

test("the first admin token makes one other admin, tells nobody in the log, and is gone", async () => {
  await using server = await processOf(folder);
  const token = tokenIn(folder);
  expect(server.log).toContainEqual(
    expect.objectContaining({ file: join(folder, "first-admin.token") }),
  );
  const { access } = clientsOf(server.url, token);
  // Other tokens leave it as it is.
  await access.createToken({ name: "ci", scopes: ["publish:*"] });
  const made = await Promise.all(
    ["one", "two"].map((name) =>
      access.createToken({ name, scopes: ["admin"] }).catch((error: unknown) => reasonOf(error)),
    ),
  );
  const secrets = made.flatMap((answer) => (answer && "secret" in answer ? [answer.secret] : []));
  expect(secrets).toHaveLength(1);
  expect(made).toContainEqual(expect.objectContaining({ reason: "CREDENTIAL_INVALID" }));
  expect(existsSync(join(folder, "first-admin.token"))).toBe(false);
  expect(await access.getCaller({}).catch(reasonOf)).toMatchObject({
    reason: "CREDENTIAL_INVALID",
  });
  const { entries } = await clientsOf(server.url, secrets[0])
    .access.listTokens({})
    .then(({ tokens }) => ({ entries: tokens.map(({ name, createdBy }) => [name, createdBy]) }));
  expect(entries).toEqual([
    ["first-admin", ""],
    ["ci", "first-admin"],
    [expect.stringMatching(/^(one|two)$/), "first-admin"],
  ]);
  const log = JSON.stringify(server.log);
  for (const secret of [token, ...secrets]) {
    expect(log).not.toContain(secret);
    expect(log).not.toContain(secret.slice(-64));
  }
});

test("servers that start together make one first admin token for all", async () => {
  const env = { DATABASE_URL: await createPostgresDatabase() };
  const dataDirs = ["a", "b", "c"].map((name) => join(folder, name));
  const [one, two, three] = await Promise.all(dataDirs.map((dataDir) => processOf(dataDir, env)));
  await using first = one!;
  await using _second = two!;
  await using _third = three!;
  const written = dataDirs.filter((dataDir) => existsSync(join(dataDir, "first-admin.token")));
  expect(written).toHaveLength(1);
  const { access } = clientsOf(first.url, tokenIn(written[0] ?? ""));
  expect(await access.getCaller({})).toMatchObject({ name: "first-admin", scopes: ["admin"] });
  const { tokens } = await access.listTokens({});
  expect(tokens).toHaveLength(1);
});
