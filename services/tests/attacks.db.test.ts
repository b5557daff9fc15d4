import { connect } from "node:net";
import { text } from "node:stream/consumers";

import { Code, ConnectError } from "@connectrpc/connect";
import { publicKeyOf } from "@nix-ota/proto/ed25519";
import { fromHex, toHex } from "@nix-ota/proto/hash";
import { reasonOf } from "@nix-ota/proto/reason";
import { decodeEnvelope, sealPayload, signPayload } from "@nix-ota/proto/signed-manifest";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import type { Store } from "../src/db/store.ts";
import { DATABASES, openTestStore } from "./databases.testkit.ts";
import { envelope, KEY, SEED, seed, storePath } from "./manifests.testkit.ts";
import { clientsOf, TestDevice, TestServer } from "./server.testkit.ts";

/** Keys under which forgeries verify by a lenient rule, and spellings that only a lenient rule reads. */
const WEAK_KEYS = {
  "of order 1": `01${"00".repeat(31)}`,
  "of order 2": `ec${"ff".repeat(30)}7f`,
  "of order 4": "00".repeat(32),
  "of order 8": "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
  "of order 1, not canonical": `ee${"ff".repeat(30)}7f`,
  "of order 1, with a sign": `01${"00".repeat(30)}80`,
  "no point": `02${"00".repeat(31)}`,
} as const;

const STOLEN = seed(7);
const OTHER_SIGNER = seed(8);
const THIEF = seed(66);
const THIEF_KEY = publicKeyOf(THIEF);

/** Bytes that are almost an envelope of `prod`, with the code that each is refused by. */
function malformed(): Readonly<Record<string, readonly [Uint8Array, string]>> {
  const good = envelope({ revision: 9n });
  const decoded = decodeEnvelope(good);
  if (!decoded.ok) throw new Error("the envelope is none");
  const { payload } = decoded.envelope;
  // Field 20 of the manifest, 1: critical, and of no version that there is.
  const extended = Uint8Array.of(...payload, 0xa0, 0x01, 0x01);
  return {
    unsigned: [Uint8Array.of(0x0a, 0x01, 0x00), "MALFORMED"],
    truncated: [good.subarray(0, -1), "MALFORMED"],
    "with bytes behind it": [Uint8Array.of(...good, 0), "MALFORMED"],
    "with a repeated field": [Uint8Array.of(...good, ...good), "MALFORMED"],
    "with an unknown field": [Uint8Array.of(...good, 0x20, 0x01), "MALFORMED"],
    "with an unknown critical field of the manifest": [signPayload(extended, [SEED]), "MALFORMED"],
  };
}

describe.each(DATABASES)("attacks on %s", (kind) => {
  let store: Store;
  let server: TestServer;
  beforeAll(async () => {
    store = await openTestStore(kind);
    server = await TestServer.on(store);
    await server.operator.publish.publish({
      envelopes: [envelope({ revision: 5n }, [STOLEN, OTHER_SIGNER])],
      publicKeys: [{ key: KEY }],
    });
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
  });

  /** What a call is refused by; `answered`: it is not. */
  async function refusal(call: Promise<unknown>): Promise<string> {
    try {
      await call;
      return "answered";
    } catch (error) {
      const { reason, rejectCode } = reasonOf(error) ?? {};
      return rejectCode ?? reason ?? Code[ConnectError.from(error).code] ?? "";
    }
  }

  /** A publish with the token that may publish everywhere. */
  async function publish(
    envelopes: readonly Uint8Array[],
    more: { readonly publicKeys?: { key: Uint8Array }[]; readonly threshold?: number } = {},
  ): Promise<string> {
    return await refusal(server.operator.publish.publish({ envelopes: [...envelopes], ...more }));
  }

  /** Everything that a publish, a channel's change or a returned manifest could leave. */
  async function stored(): Promise<unknown> {
    const { rows } = await sql`
      select (select json_agg(c order by name) from (select name, head_revision, threshold, enrolment from channel) c) as channels,
             (select json_agg(k order by channel, public_key) from channel_key k) as keys,
             (select json_agg(m order by channel, revision, target) from manifest m) as manifests,
             (select count(*) from returned_manifest) as returned,
             (select json_agg(d order by id) from (select id, public_key, key_epoch from device) d) as devices,
             (select count(*) from audit) as audited`.execute(store.db);
    return rows[0];
  }

  async function leavesNothing(attempt: () => Promise<void>): Promise<void> {
    const before = await stored();
    await attempt();
    expect(await stored()).toEqual(before);
  }

  test("arbitrary software: a stolen publish token without a signing key publishes nothing", async () => {
    await leavesNothing(async () => {
      const evil = envelope({ revision: 6n, storePath: storePath("d") }, [THIEF]);
      const brought = [{ key: THIEF_KEY }];
      expect(await publish([evil])).toBe("BAD_SIGNATURE");
      expect(await publish([evil], { publicKeys: brought })).toBe("KEYS_DIFFER");
      expect(await publish([evil], { publicKeys: [{ key: KEY }, ...brought] })).toBe("KEYS_DIFFER");
    });
  });

  test("one stolen signing key is below the threshold, however often it signs", async () => {
    const channel = "two-of-two";
    const keys = { publicKeys: [{ key: KEY }, { key: THIEF_KEY }], threshold: 2 };
    await server.admin.channel.createChannel({ name: channel, ...keys });
    const once = envelope({ channel, revision: 1n }, [STOLEN]);
    const decoded = decodeEnvelope(once);
    if (!decoded.ok) throw new Error("the envelope is none");
    const { payload, signatures } = decoded.envelope;
    const twice = sealPayload(payload, [...signatures, ...signatures]);
    await leavesNothing(async () => {
      expect(await publish([once])).toBe("THRESHOLD");
      expect(await publish([twice])).toMatch(/THRESHOLD|MALFORMED/);
      expect(await publish([once], { publicKeys: [{ key: KEY }], threshold: 1 })).toBe("THRESHOLD");
    });
  });

  test("replay from another channel: a manifest goes where it was signed for, or nowhere", async () => {
    const foreign = envelope({ channel: "staging", revision: 6n, target: "x" });
    const { secret } = await server.admin.access.createToken({
      name: "prod-only",
      scopes: ["publish:prod"],
    });
    await leavesNothing(async () => {
      const narrow = clientsOf(server.url, secret).publish;
      expect(await refusal(narrow.publish({ envelopes: [foreign] }))).toBe("SCOPE_MISSING");
      expect(await publish([envelope({ revision: 6n }), foreign])).toBe("WRONG_CHANNEL");
    });
  });

  test("fast-forward: no publish takes the head so far that devices would refuse what follows", async () => {
    const channel = "forward";
    const at = (revision: bigint) => [envelope({ channel, revision })];
    expect(await publish(at(20_261_125n), { publicKeys: [{ key: KEY }] })).toBe("answered");
    await leavesNothing(async () => {
      expect(await publish(at(2n ** 53n - 1n))).toBe("FAST_FORWARD");
      expect(await publish(at(21_261_126n))).toBe("FAST_FORWARD");
    });
    expect(await publish(at(21_261_125n))).toBe("answered");
  });

  test("malformed envelopes are refused at publish and when a device returns one", async () => {
    const device = await server.device("malformed-1");
    await leavesNothing(async () => {
      for (const [name, [bytes, code]] of Object.entries(malformed())) {
        expect([name, await publish([bytes])]).toEqual([name, code]);
        const returned = device.clients.checkin.returnManifest({ envelope: bytes });
        expect([name, await refusal(returned)]).toEqual([name, code]);
      }
      const oversized = new Uint8Array(24 * 1024 + 1);
      expect(await publish([oversized])).toBe("InvalidArgument");
      expect(await refusal(device.clients.checkin.returnManifest({ envelope: oversized }))).toBe(
        "InvalidArgument",
      );
    });
  });

  test.each([
    ["a store path that is a flag", { storePath: "/nix/store/--option" }, "BAD_PATH"],
    ["a store path that begins with a dash", { storePath: "--no-check-sigs" }, "BAD_PATH"],
    ["a store path that climbs", { storePath: `${storePath("a")}/../../etc` }, "BAD_PATH"],
    ["trusted=", { substituters: ["https://c.example.org/?trusted=true"] }, "BAD_SUBSTITUTER"],
    [
      "trusted= behind #",
      { substituters: ["https://c.example.org/#trusted=1"] },
      "BAD_SUBSTITUTER",
    ],
    ["a URL that is a flag", { substituters: ["--option"] }, "BAD_SUBSTITUTER"],
    ["a URL with a password", { substituters: ["https://a:b@c.example.org"] }, "BAD_SUBSTITUTER"],
    ["a signer's clock from the future", { issuedAtS: 9_000_000_000n }, "EXPIRED"],
    ["two URLs in one", { substituters: ["https://a.example.org https://b"] }, "BAD_SUBSTITUTER"],
  ])("%s is refused at publish, though it is signed", async (_name, fields, code) => {
    await leavesNothing(async () => {
      expect(await publish([envelope({ revision: 6n, ...fields })])).toBe(code);
    });
  });

  test.each(Object.entries(WEAK_KEYS))(
    "a key %s is pinned nowhere: not at publish, for a channel, by a device or in its place",
    async (_name, hex) => {
      const weak = fromHex(hex) ?? new Uint8Array();
      const keys = { publicKeys: [{ key: weak }], threshold: 1 };
      const device = await server.device("weak-1");
      const unproven = new TestDevice(server.url, "weak-2", SEED);
      await leavesNothing(async () => {
        const first = envelope({ channel: "weak", revision: 1n });
        expect(await publish([first], keys)).toBe("KEYS_DIFFER");
        expect(await publish([first], { ...keys, publicKeys: [{ key: KEY }, { key: weak }] })).toBe(
          "KEYS_DIFFER",
        );
        const { channel, checkin } = server.admin;
        expect(await refusal(channel.createChannel({ name: "weak", ...keys }))).toBe("KEYS_DIFFER");
        expect(await refusal(channel.updateChannel({ name: "prod", keys }))).toBe("KEYS_DIFFER");
        const rekey = checkin.updateDevices({ deviceIds: [device.id], publicKey: weak });
        expect(await refusal(rekey)).toBe("InvalidArgument");
        const enrolment = clientsOf(server.url).checkin.enrol({
          auth: await unproven.prove(),
          publicKey: weak,
          channel: "prod",
        });
        await expect(enrolment).rejects.toThrow(/not a sound ed25519 key/);
      });
    },
  );

  test("a console cookie opens none of the plain paths, whose bodies a foreign form could make", async () => {
    const fromConsole = { "sec-fetch-site": "same-origin", "content-type": "application/json" };
    const signIn = await fetch(`${server.url}/nixota.v1.AccessService/SignIn`, {
      method: "POST",
      headers: fromConsole,
      body: JSON.stringify({ token: server.token }),
    });
    const cookie = signIn.headers.get("set-cookie")?.split(";")[0] ?? "";
    const asked = async (path: string, init: RequestInit = {}) =>
      (await fetch(`${server.url}${path}`, { headers: { ...fromConsole, cookie }, ...init }))
        .status;
    expect(await asked("/nixota.v1.AccessService/GetCaller", { method: "POST", body: "{}" })).toBe(
      200,
    );
    expect(await asked("/channels/prod/current")).toBe(401);
    expect(await asked("/channels/prod/publish", { method: "POST", body: "{}" })).toBe(401);
  });

  test("keys that a first publish pins, and signatures that a repeat adds, are in the audit", async () => {
    const channel = "audited";
    const keys = [{ key: KEY }, { key: publicKeyOf(OTHER_SIGNER) }];
    const signed = (...seeds: Uint8Array[]) => [envelope({ channel, revision: 1n }, seeds)];
    await publish(signed(STOLEN), { publicKeys: keys });
    for (let times = 0; times < 2; times += 1) await publish(signed(OTHER_SIGNER));
    const { entries } = await server.admin.access.listAuditEntries({ subjectPrefix: channel });
    expect(entries.map(({ action }) => action)).toEqual(["Publish", "Publish"]);
    expect(entries.map(({ afterJson }) => JSON.parse(afterJson) as unknown)).toMatchObject([
      { signaturesAdded: [""] },
      { threshold: 1, keys: keys.map(({ key }) => `${toHex(key)} `) },
    ]);
  });
});

// The database decides nothing here that the tests of tokens do not see on both.
test("a revoked token whose holder kept a call's body back makes nothing", async () => {
  await using server = await TestServer.start("postgresql", { limits: { recheckAfterMs: 0 } });
  const { token, secret } = await server.admin.access.createToken({
    name: "stolen",
    scopes: ["admin"],
  });
  const call = heldCall(server.url, "nixota.v1.AccessService/CreateToken", secret);
  const body = JSON.stringify({ name: "back-door", scopes: ["admin"] });
  call.begin(body);
  // The gate has let it in by then.
  await expect
    .poll(async () => (await server.admin.access.listTokens({})).tokens[0]?.lastUsedAt)
    .toBeDefined();
  await server.admin.access.revokeToken({ tokenId: token?.id ?? "" });
  expect(await call.end(body)).toMatch(/^HTTP\/1\.1 401 /);
  const { tokens } = await server.admin.access.listTokens({});
  expect(tokens.map(({ name }) => name)).toEqual(["stolen"]);
});

/** A call of which half the body is sent, and the rest later. */
function heldCall(url: string, path: string, token: string) {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  const head = (length: number) =>
    [
      `POST /${path} HTTP/1.1`,
      `host: ${hostname}:${port}`,
      "content-type: application/json",
      `authorization: Bearer ${token}`,
      "connection: close",
      `content-length: ${length}`,
      "\r\n",
    ].join("\r\n");
  return {
    begin(body: string): void {
      socket.write(head(body.length) + body.slice(0, 5));
    },
    async end(body: string): Promise<string> {
      socket.write(body.slice(5));
      return await text(socket);
    },
  };
}
