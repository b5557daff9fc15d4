import { create, toBinary } from "@bufbuild/protobuf";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";

import {
  AuthStatementSchema,
  SignedAuthStatementSchema,
} from "../gen/nixota/v1/checkin_service_pb.ts";
import {
  AUTH_TYPE,
  claimedDeviceId,
  normalizeServerUrl,
  openAuthStatement,
  signAuthStatement,
} from "./auth-statement.ts";
import { publicKeyOf, signEd25519 } from "./ed25519.ts";
import { preAuthEncoding } from "./pae.ts";
import { MANIFEST_TYPE } from "./signed-manifest.ts";
import { joined, numberField } from "./wire.testkit.ts";

const seed = new Uint8Array(32).fill(7);
const publicKey = publicKeyOf(seed);
const nonce = new Uint8Array(40).fill(3);
const content = { serverUrl: "https://ota.example.org/", deviceId: "till-4", nonce };

/** A statement with any bytes, signed by the device's key under any type. */
function signedBytes(statement: Uint8Array, type = AUTH_TYPE) {
  const signature = signEd25519(preAuthEncoding(type, statement), seed);
  return create(SignedAuthStatementSchema, { statement, signature });
}

function statementWith(changes: MessageInitShape<typeof AuthStatementSchema>): Uint8Array {
  const good = { serverUrl: "https://ota.example.org", deviceId: "till-4", nonce };
  return toBinary(AuthStatementSchema, create(AuthStatementSchema, { ...good, ...changes }));
}

test("a device's proof opens under its key and says URL, device and nonce", () => {
  const signed = signAuthStatement(content, seed);
  expect([claimedDeviceId(signed), openAuthStatement(signed, publicKey)]).toMatchObject([
    "till-4",
    { serverUrl: "https://ota.example.org", deviceId: "till-4", nonce },
  ]);
});

describe("a device key relayed or replayed", () => {
  test("another key, a changed statement or a changed signature opens nothing", () => {
    const signed = signAuthStatement(content, seed);
    const other = signAuthStatement({ ...content, deviceId: "till-5" }, seed);
    expect([
      openAuthStatement(signed, publicKeyOf(new Uint8Array(32).fill(8))),
      openAuthStatement({ ...signed, statement: other.statement }, publicKey),
      openAuthStatement({ ...signed, signature: other.signature }, publicKey),
      openAuthStatement({ ...signed, signature: new Uint8Array(63) }, publicKey),
    ]).toEqual([undefined, undefined, undefined, undefined]);
  });

  test("a relayed proof names the server that the device meant", () => {
    const meant = signAuthStatement({ ...content, serverUrl: "https://evil.example" }, seed);
    expect(openAuthStatement(meant, publicKey)?.serverUrl).toBe("https://evil.example");
  });

  test("a replayed proof carries the nonce of its own time", () => {
    const old = signAuthStatement({ ...content, nonce: new Uint8Array(40).fill(1) }, seed);
    expect(openAuthStatement(old, publicKey)?.nonce).toEqual(new Uint8Array(40).fill(1));
  });

  test("a signature under a manifest's type is no proof", () => {
    const statement = statementWith({});
    expect([
      openAuthStatement(signedBytes(statement), publicKey) === undefined,
      openAuthStatement(signedBytes(statement, MANIFEST_TYPE), publicKey) === undefined,
    ]).toEqual([false, true]);
  });
});

test.each([
  ["no strict encoding", joined(statementWith({}), statementWith({}))],
  ["an unknown field", joined(statementWith({}), numberField(64, 1))],
  ["garbage", new Uint8Array(10).fill(0xff)],
  ["no device id", statementWith({ deviceId: "" })],
  ["a device id that is none", statementWith({ deviceId: "a/b" })],
  ["no nonce", statementWith({ nonce: new Uint8Array() })],
  ["a nonce of 129 bytes", statementWith({ nonce: new Uint8Array(129) })],
  ["a URL with a trailing slash", statementWith({ serverUrl: "https://ota.example.org/" })],
  ["no URL", statementWith({ serverUrl: "" })],
  ["over 1024 bytes", statementWith({ nonce: new Uint8Array(1_024) })],
])("a statement with %s opens nothing, signed though it be", (_, statement) => {
  const signed = signedBytes(statement);
  expect([claimedDeviceId(signed), openAuthStatement(signed, publicKey)]).toEqual([
    undefined,
    undefined,
  ]);
});

test.each([
  ["a URL that is none", { ...content, serverUrl: "ota.example.org" }],
  ["a device id that is none", { ...content, deviceId: "Till 4" }],
  ["an empty nonce", { ...content, nonce: new Uint8Array() }],
  ["a nonce of 129 bytes", { ...content, nonce: new Uint8Array(129) }],
])("%s is not signed", (_, wrong) => {
  expect(() => signAuthStatement(wrong, seed)).toThrow(expect.objectContaining({ kind: "text" }));
});

test("the longest statement that can be signed opens", () => {
  const longest = {
    serverUrl: `https://ota.example.org/${"a".repeat(488)}`,
    deviceId: "d".repeat(63),
    nonce: new Uint8Array(128),
  };
  expect(openAuthStatement(signAuthStatement(longest, seed), publicKey)).toMatchObject(longest);
});

describe("one spelling for a server's URL", () => {
  test.each([
    ["https://ota.example.org", "https://ota.example.org"],
    ["https://ota.example.org/", "https://ota.example.org"],
    ["https://ota.example.org///", "https://ota.example.org"],
    ["HTTPS://OTA.Example.org:443/", "https://ota.example.org"],
    ["http://127.0.0.1:8080", "http://127.0.0.1:8080"],
    ["http://ota.example.org:80/api/", "http://ota.example.org/api"],
    ["https://[2001:DB8:0::1]:8443", "https://[2001:db8::1]:8443"],
    ["https://ota.example.org/a/../b", "https://ota.example.org/b"],
  ])("%s", (text, expected) => {
    expect(normalizeServerUrl(text)).toBe(expected);
    expect(normalizeServerUrl(expected)).toBe(expected);
  });

  test.each([
    "",
    "ota.example.org",
    "ftp://ota.example.org",
    "https:ota.example.org",
    "https:///ota.example.org",
    "https://user@ota.example.org",
    "https://@ota.example.org",
    "https://ota.example.org?x=1",
    "https://ota.example.org/?",
    "https://ota.example.org/#",
    "https://ota.example.org\\a",
    " https://ota.example.org",
    "https://ota.example.org\n",
    "https://ota.example.org:99999",
    `https://ota.example.org/${"a".repeat(512)}`,
    `https://ota.example.org/${"é".repeat(300)}`,
  ])("%j has none", (text) => {
    expect(normalizeServerUrl(text)).toBeUndefined();
  });
});
