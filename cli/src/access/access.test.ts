import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampDate, timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  AccessService,
  EnrolmentTokenSchema,
  TokenSchema,
} from "@nix-ota/proto/nixota/v1/access_service_pb";
import { otaError } from "@nix-ota/proto/reason";
import { expect, it } from "vitest";

import { httpDouble } from "../http-double.testkit.ts";
import { NOW_MS } from "../recording-host.testkit.ts";
import { temporaryFolder } from "../temporary-folder.testkit.ts";

const DAY_MS = 86_400_000;
const at = (ms: number) => timestampFromMs(NOW_MS + ms);

const TOKENS = [
  { id: "t1", name: "ci", scopes: ["publish:prod", "read"], expiresAt: at(90 * DAY_MS) },
  {
    id: "t2",
    name: "eve\u001b[2J",
    scopes: ["admin"],
    revokedAt: at(-DAY_MS),
    lastUsedAt: at(-60_000),
  },
  { id: "t3", name: "old", scopes: ["read"], expiresAt: at(-DAY_MS) },
  { id: "t4", name: "restored", scopes: ["operate:*"], suspendedAt: at(-DAY_MS) },
].map((token) => create(TokenSchema, token));

const ENROLMENT_TOKENS = [
  create(EnrolmentTokenSchema, {
    id: "e1",
    channel: "prod",
    uses: 3,
    maxUses: 50,
    expiresAt: at(DAY_MS),
    createdBy: "ci",
  }),
  create(EnrolmentTokenSchema, { id: "e2", channel: "lab", maxUses: 1, expiresAt: at(-1000) }),
];

const ENTRIES = [
  {
    at: at(-60_000),
    actor: "ci",
    action: "Publish",
    subject: "prod r42",
    afterJson: '{"revision":42}',
  },
  {
    at: at(-3_600_000),
    actor: "night",
    action: "UpdateChannel",
    subject: "prod",
    address: "192.0.2.7",
    beforeJson: '{"paused":false,"threshold":1}',
    afterJson: '{"paused":true,"threshold":1}',
  },
  {
    at: at(-3 * DAY_MS),
    actor: "night",
    action: "UpdateDevices",
    subject: "prod",
    afterJson: "{}",
  },
];

/** What was asked of the server, in order. */
type Asked = Record<string, unknown>[];

async function serving(
  given: { asked?: Asked; tokens?: typeof TOKENS; entries?: typeof ENTRIES } = {},
) {
  const asked = given.asked ?? [];
  const known = <T extends { id: string }>(tokens: readonly T[], id: string): T => {
    const token = tokens.find((one) => one.id === id);
    if (token === undefined) throw otaError("TOKEN_UNKNOWN", "there is no such token");
    return token;
  };
  return httpDouble(({ service }) => {
    service(AccessService, {
      getCaller: () => ({
        name: "ci",
        scopes: ["read", "publish:prod"],
        expiresAt: at(90 * DAY_MS),
        serverVersion: "0.1.0",
      }),
      createToken: ({ name, scopes, expiresAt }) => {
        asked.push({ name, scopes, expiresAt: expiresAt && timestampDate(expiresAt).getTime() });
        const token: MessageInitShape<typeof TokenSchema> = { id: "t9", name, scopes };
        return {
          token: expiresAt === undefined ? token : { ...token, expiresAt },
          secret: "nota_t9_secret",
        };
      },
      listTokens: ({ cursor }) => {
        const tokens = given.tokens ?? TOKENS;
        const from = Number(cursor || 0);
        const next = from + 2;
        return {
          tokens: tokens.slice(from, next),
          nextCursor: next < tokens.length ? `${next}` : "",
        };
      },
      revokeToken: ({ tokenId }) => ({
        token: { ...known(TOKENS, tokenId), revokedAt: at(0) },
      }),
      confirmToken: ({ tokenId }) => ({ token: { id: known(TOKENS, tokenId).id, name: "back" } }),
      createEnrolmentToken: ({ channel, maxUses, expiresAt }) => {
        asked.push({ channel, maxUses, expiresAt });
        return {
          token: { id: "e9", channel, maxUses, expiresAt: expiresAt ?? at(DAY_MS) },
          secret: "nota_e9_secret",
        };
      },
      listEnrolmentTokens: () => ({ tokens: ENROLMENT_TOKENS }),
      revokeEnrolmentToken: ({ tokenId }) => ({ token: known(ENROLMENT_TOKENS, tokenId) }),
      confirmEnrolmentToken: ({ tokenId }) => ({ token: known(ENROLMENT_TOKENS, tokenId) }),
      listAuditEntries: ({ actor, subjectPrefix, cursor }) => {
        asked.push({ actor, subjectPrefix });
        const from = Number(cursor || 0);
        const entries = given.entries ?? ENTRIES;
        const next = from + 3;
        return {
          entries: entries.slice(from, next),
          nextCursor: next < entries.length ? `${next}` : "",
        };
      },
    });
  });
}

it("says who the token is, and for a program as well", async () => {
  await using server = await serving();
  expect((await server.run("whoami")).out).toBe(
    [
      "name     ci",
      "scopes   read, publish:prod",
      `expires  in 90 d (${new Date(NOW_MS + 90 * DAY_MS).toISOString()})`,
      `server   ${server.url}`,
      "version  0.1.0",
      "",
    ].join("\n"),
  );
  expect(JSON.parse((await server.run("whoami", "--json")).out)).toEqual({
    name: "ci",
    scopes: ["read", "publish:prod"],
    expiresAt: new Date(NOW_MS + 90 * DAY_MS).toISOString(),
    serverVersion: "0.1.0",
    server: server.url,
  });
});

it("prints a new token's secret alone on stdout, so that it can be piped", async () => {
  const asked: Asked = [];
  await using server = await serving({ asked });
  const scopes = ["--scope", "publish:prod", "--scope", "operate:*"];
  expect(await server.run("token", "create", "ci", ...scopes, "--expires", "90d")).toEqual({
    code: 0,
    out: "nota_t9_secret\n",
    err: "token t9 (ci): publish:prod, operate:*; expires 2027-02-20T12:00:00Z; its secret is shown this once:\n",
  });
  expect(asked).toEqual([
    { name: "ci", scopes: ["publish:prod", "operate:*"], expiresAt: NOW_MS + 90 * DAY_MS },
  ]);
  const { out } = await server.run("token", "create", "ci", "--scope", "read", "--json");
  expect(JSON.parse(out)).toMatchObject({ id: "t9", secret: "nota_t9_secret", file: null });
});

it("keeps a secret in a file for its owner, and never prints it then", async () => {
  await using server = await serving();
  await using folder = await temporaryFolder();
  const file = join(folder.path, "ci.token");
  const create = ["token", "create", "ci", "--scope", "read", "--out", file];
  expect(await server.run(...create)).toEqual({
    code: 0,
    out: `token t9 (ci): read; never expires; its secret is in ${file}\n`,
    err: "",
  });
  expect(await readFile(file, "utf8")).toBe("nota_t9_secret\n");
  expect((await stat(file)).mode & 0o777).toBe(0o600);
});

it("asks for no secret that it cannot keep, and leaves no empty file", async () => {
  const asked: Asked = [];
  await using server = await serving({ asked });
  await using folder = await temporaryFolder();
  const file = join(folder.path, "there");
  await writeFile(file, "mine");
  const create = ["enrol-token", "create", "--channel", "prod", "--out"];
  expect((await server.run(...create, file)).err).toBe(
    `error: ${file} exists and is never overwritten; give another --out\n`,
  );
  expect(await readFile(file, "utf8")).toBe("mine");
  expect(asked).toEqual([]);
  const other = join(folder.path, "other");
  const unreachable = [...create, other, "--server", "http://127.0.0.1:1"];
  expect((await server.run(...unreachable)).code).toBe(1);
  await expect(stat(other)).rejects.toThrow("ENOENT");
});

it.each([
  [["ci"], /no scope is named; give --scope/u],
  [["ci", "--scope", "publish"], /--scope "publish" is none; there are read, admin, publish:/u],
  [["", "--scope", "read"], /a token's name has 1 to 64 characters/u],
  [["ci", "--scope", "read", "--expires", "2020-01-01"], /2020-01-01 is in the past/u],
])("token create %j is refused before the server is asked", async (args, sentence) => {
  await using server = await serving();
  const { code, err } = await server.run("token", "create", ...args);
  expect(code).toBe(2);
  expect(err).toMatch(sentence);
});

it("lists tokens over all pages with their state, and how a suspended one comes back", async () => {
  await using server = await serving();
  const { out, err } = await server.run("token", "list");
  expect(out).toBe(
    [
      "ID  NAME      STATE      EXPIRES  LAST USED  SCOPES",
      "t1  ci        active     in 90 d  never      publish:prod, read",
      "t2  eve[2J    revoked    never    1 min ago  admin",
      "t3  old       expired    1 d ago  never      read",
      "t4  restored  suspended  never    never      operate:*",
      "",
    ].join("\n"),
  );
  expect(err).toBe(
    "1 token suspended since a backup was restored; nix-ota token confirm <id> lets one work again\n",
  );
  const { out: json } = await server.run("token", "list", "--json", "--limit", "1");
  expect(JSON.parse(json)).toEqual({
    tokens: [
      {
        id: "t1",
        name: "ci",
        scopes: ["publish:prod", "read"],
        state: "active",
        createdAt: null,
        createdBy: "",
        expiresAt: new Date(NOW_MS + 90 * DAY_MS).toISOString(),
        lastUsedAt: null,
        revokedAt: null,
        suspendedAt: null,
      },
    ],
    truncated: true,
  });
});

it("revokes and confirms a token, and says what there is when it is not known", async () => {
  await using server = await serving();
  expect((await server.run("token", "revoke", "t1")).out).toBe(
    "token t1 (ci) is revoked, at every server within 15 s\n",
  );
  expect((await server.run("token", "confirm", "t4")).out).toBe("token t4 (back) is active\n");
  expect(await server.run("token", "revoke", "t7")).toEqual({
    code: 3,
    out: "",
    err: "error: there is no such token; nix-ota token list and nix-ota enrol-token list show which there are\n",
  });
});

it("makes, lists and ends enrolment tokens", async () => {
  const asked: Asked = [];
  await using server = await serving({ asked });
  const made = await server.run("enrol-token", "create", "--channel", "prod", "--uses", "50");
  expect(made).toEqual({
    code: 0,
    out: "nota_e9_secret\n",
    err: "enrolment token e9: 50 devices of prod, expires 2026-11-23T12:00:00Z; its secret is shown this once:\n",
  });
  expect(asked).toEqual([{ channel: "prod", maxUses: 50, expiresAt: undefined }]);
  expect((await server.run("enrol-token", "list")).out).toBe(
    [
      "ID  CHANNEL  STATE       USED  EXPIRES   MADE BY",
      "e1  prod     active   3 of 50  in 1 d    ci",
      "e2  lab      expired   0 of 1  just now  –",
      "",
    ].join("\n"),
  );
  const { out } = await server.run("enrol-token", "list", "--json");
  expect(JSON.parse(out)).toMatchObject({
    tokens: [
      { id: "e1", channel: "prod", state: "active", uses: 3, maxUses: 50, createdBy: "ci" },
      { id: "e2", state: "expired", revokedAt: null, suspendedAt: null },
    ],
    truncated: false,
  });
  expect((await server.run("enrol-token", "revoke", "e1")).out).toBe(
    "enrolment token e1 is revoked; 3 devices that came by it stay\n",
  );
  expect((await server.run("enrol-token", "confirm", "e1")).out).toBe(
    "enrolment token e1 is active\n",
  );
});

it("lists what operators changed, and what it was before", async () => {
  await using server = await serving();
  expect((await server.run("audit", "list")).out).toBe(
    [
      "WHEN       ACTOR  SUBJECT   FROM       WHAT",
      "1 min ago  ci     prod r42  –          Publish: revision: 42",
      "1 h ago    night  prod      192.0.2.7  UpdateChannel: paused: false → true",
      "3 d ago    night  prod      –          UpdateDevices",
      "",
    ].join("\n"),
  );
  const { out } = await server.run("audit", "list", "--json", "--limit", "2");
  expect(JSON.parse(out)).toMatchObject({
    entries: [
      { actor: "ci", before: null, after: { revision: 42 } },
      { before: { paused: false, threshold: 1 }, after: { paused: true, threshold: 1 } },
    ],
    truncated: true,
  });
});

it("reads no page of the audit behind the first change that is too old", async () => {
  const asked: Asked = [];
  const old = { at: at(-9 * DAY_MS), actor: "x", action: "Publish", subject: "x", afterJson: "{}" };
  await using server = await serving({ asked, entries: [...ENTRIES, old, old] });
  const narrowed = ["--since", "1d", "--actor", "night", "--subject", "prod"];
  const { out } = await server.run("audit", "list", "--json", ...narrowed);
  expect(JSON.parse(out)).toMatchObject({ truncated: false, entries: [{}, {}] });
  expect(asked).toEqual([{ actor: "night", subjectPrefix: "prod" }]);
});

it("says what to do where there is nothing to list", async () => {
  await using server = await serving({ tokens: [], entries: [] });
  expect((await server.run("token", "list")).out).toBe(
    "no tokens; nix-ota token create makes one\n",
  );
  expect((await server.run("audit", "list")).out).toBe("nothing was changed by an operator yet\n");
  expect((await server.run("audit", "list", "--actor", "x")).out).toMatch(/see more without/u);
});
