import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { ConnectError } from "@connectrpc/connect";
import { encryptSecretKey } from "@nix-ota/proto/key-encryption";
import { printPublicKey, printSecretKey, publicHalf } from "@nix-ota/proto/key-file";
import { AccessService } from "@nix-ota/proto/nixota/v1/access_service_pb";
import { ChannelService } from "@nix-ota/proto/nixota/v1/channel_service_pb";
import { PublishService } from "@nix-ota/proto/nixota/v1/publish_service_pb";
import { otaError } from "@nix-ota/proto/reason";
import { storePathHash } from "@nix-ota/proto/store-path";
import { expect, it } from "vitest";

import { httpDouble, type DoublePage } from "../http-double.testkit.ts";
import { NOW_MS } from "../recording-host.testkit.ts";
import { storePathOf } from "../store-paths.testkit.ts";
import { temporaryFolder } from "../temporary-folder.testkit.ts";
import { VERSION } from "../version.ts";
import type { Finding } from "./finding.ts";
import { clock } from "./server-check.ts";

const KEY = { name: "sign", seed: new Uint8Array(32).fill(7) };
const HALF = publicHalf(KEY);
const HEAD = storePathOf("nixos-system-fridge-25.05");

const READY: DoublePage = { text: "ready\n", headers: { date: new Date(NOW_MS).toUTCString() } };
const CACHE: Record<string, DoublePage> = {
  "/nix-cache-info": { text: "StoreDir: /nix/store\nWantMassQuery: 1\n" },
};

function narinfo(more: string): Record<string, DoublePage> {
  const hash = `sha256:${"0".repeat(52)}`;
  const text = `StorePath: ${HEAD}\nURL: nar/x\nNarHash: ${hash}\nNarSize: 5\nReferences: \n${more}`;
  return { [`/${storePathHash(HEAD)}.narinfo`]: { text } };
}

interface Given {
  pages?: Record<string, DoublePage>;
  endsInMs?: number;
  serverVersion?: string;
  refused?: ConnectError;
}

/** The doctor's findings, but for nix, which this machine may have or not. */
async function findings(given: Given, ...args: string[]) {
  await using server = await httpDouble(
    ({ service }) => {
      service(AccessService, {
        getCaller: () => {
          if (given.refused !== undefined) throw given.refused;
          return {
            name: "ci",
            scopes: ["publish:prod"],
            expiresAt: timestampFromMs(NOW_MS + (given.endsInMs ?? 90 * 86_400_000)),
            serverVersion: given.serverVersion ?? VERSION,
          };
        },
      });
      service(ChannelService, {
        getChannel: () => ({
          channel: { name: "prod", publicKeys: [{ key: HALF.publicKey, name: "sign" }] },
        }),
      });
      service(PublishService, {
        getRelease: () => ({ release: { manifests: [{ storePath: HEAD }] } }),
      });
    },
    { "/readyz": READY, ...CACHE, ...given.pages },
  );
  const cache = args.includes("--own-cache") ? ["--substituter", server.url] : [];
  const rest = args.filter((arg) => arg !== "--own-cache");
  const run = await server.run("doctor", "--json", "--token", "t", ...rest, ...cache);
  const document = JSON.parse(run.out) as { healthy: boolean; findings: Finding[] };
  const short = document.findings
    .filter(({ check }) => check !== "nix")
    .map(({ check, verdict, found, remedy }) =>
      [`${check} ${verdict}`, found.replaceAll(server.url, "URL"), remedy].join(" | "),
    );
  return { code: run.code, healthy: document.healthy, short };
}

const TOKEN_SEEN =
  "configuration warning | every user of this machine can see --token in the process list; use --token-file or NIX_OTA_TOKEN | ";

it("finds nothing wrong where nothing is", async () => {
  await using folder = await temporaryFolder();
  const key = join(folder.path, "sign.key");
  await writeFile(key, printSecretKey(KEY), { mode: 0o600 });
  const signed = { pages: narinfo("Sig: cache-1:AAAA\n") };
  const args = ["--channel", "prod", "--key", key, "--own-cache"];
  expect(await findings(signed, ...args)).toEqual({
    code: 0,
    healthy: true,
    short: [
      TOKEN_SEEN,
      "configuration ok | no context | ",
      "server ok | URL is ready | ",
      "clock ok | as the server's, to 2 s | ",
      "token ok | ci: publish:prod; expires in 90 d | ",
      `version ok | server ${VERSION}, nix-ota ${VERSION} | `,
      `key ok | ${key}: ${printPublicKey(HALF)}, a key of prod | `,
      "cache ok | URL: holds the head, nixos-system-fridge-25.05, signed | ",
    ],
  });
});

it("says what is not looked at because nothing names it", async () => {
  const { short } = await findings({});
  expect(short.slice(-2)).toEqual([
    "key skipped | none is named; give --key | ",
    "cache skipped | none is named; give --substituter | ",
  ]);
});

it.each<[string, Given, string]>([
  [
    "a server whose database is away",
    { pages: { "/readyz": { status: 503, text: "not ready\n" } } },
    "server wrong | URL is not ready | its database does not answer, or it is ending; see its log",
  ],
  [
    "a URL that leads elsewhere",
    { pages: { "/readyz": { status: 301, headers: { location: "https://x" }, text: "" } } },
    "server wrong | URL redirects (HTTP 301) | name the URL that it redirects to",
  ],
  [
    "something else at the URL",
    { pages: { "/readyz": { text: "<html>" } } },
    "server wrong | URL answers HTTP 200 for /readyz | check that the URL is that of nix-ota-server, with its path if it has one",
  ],
  [
    "a token that the server does not know",
    { refused: otaError("CREDENTIAL_INVALID", "the token is not known") },
    "token wrong | the token is not known; give a valid token with --token-file or NIX_OTA_TOKEN | ",
  ],
  [
    "a server that is ready and fails",
    { refused: otaError("INTERNAL", "the server failed") },
    "token wrong | the server failed; the server's log has the cause | ",
  ],
])("%s is wrong, and ends with 1", async (_, given, finding) => {
  const { code, healthy, short } = await findings(given);
  expect({ code, healthy }).toEqual({ code: 1, healthy: false });
  expect(short).toContain(finding);
});

it("warns of a token that ends soon and of another version, and ends with 0", async () => {
  const { code, short } = await findings({ endsInMs: 3_600_000, serverVersion: "9.0.0" });
  expect(code).toBe(0);
  expect(short).toContain(
    "token warning | ci: publish:prod; expires in 1 h | make the next one with nix-ota token create",
  );
  expect(short).toContain(
    `version warning | server 9.0.0, nix-ota ${VERSION} | use both of one version`,
  );
});

it.each([
  [0, "ok", "as the server's, to 2 s"],
  [2_400, "ok", "as the server's, to 2 s"],
  [5_000, "warning", "5 s ahead of the server's"],
  [-60_000, "warning", "60 s behind the server's"],
  [-61_000, "wrong", "61 s behind the server's"],
])("a clock %d ms off is %s", (offMs, verdict, found) => {
  expect(clock(NOW_MS - offMs, NOW_MS)).toMatchObject({ check: "clock", verdict, found });
});

it("looks at the token of a server whose clock is off", async () => {
  const date = new Date(NOW_MS + 600_000).toUTCString();
  const { code, short } = await findings({ pages: { "/readyz": { ...READY, headers: { date } } } });
  expect(code).toBe(1);
  expect(short).toContain(
    "clock wrong | 600 s behind the server's | let NTP set both clocks: what is signed carries this machine's time",
  );
  expect(short).toContain("token ok | ci: publish:prod; expires in 90 d | ");
});

it("tells what is wrong with a key, without asking for a passphrase", async () => {
  await using folder = await temporaryFolder();
  const file = (name: string) => join(folder.path, name);
  const other = { name: "other", seed: new Uint8Array(32).fill(9) };
  await writeFile(file("other"), printSecretKey(other), { mode: 0o600 });
  await writeFile(file("sealed"), await encryptSecretKey(KEY, "secret", 10), { mode: 0o600 });
  await writeFile(file("open"), printSecretKey(KEY));
  await chmod(file("open"), 0o644);
  const keys = ["other", "sealed", "open", "absent"].flatMap((name) => ["--key", file(name)]);
  const { code, short } = await findings({}, "--channel", "prod", ...keys);
  expect(code).toBe(1);
  expect(short.filter((line) => line.startsWith("key"))).toEqual([
    `key wrong | ${file("other")}: ${printPublicKey(publicHalf(other))} is no key of prod | sign with another, or nix-ota channel set prod --public-key adds it`,
    `key ok | ${file("sealed")}: encrypted, for its owner only | `,
    `key wrong | key file ${file("open")} is open to others (mode 644); run: chmod 600 ${file("open")} | `,
    `key wrong | key file ${file("absent")} cannot be opened; check --key and its owner | `,
  ]);
});

it.each<[string, Record<string, DoublePage>, string]>([
  [
    "none",
    { "/nix-cache-info": { text: "hello" } },
    "cache wrong | URL: its nix-cache-info names no StoreDir: it is no binary cache | check the URL",
  ],
  [
    "for another store",
    { "/nix-cache-info": { text: "StoreDir: /gnu/store\n" } },
    "cache wrong | URL: is a cache for /gnu/store, not /nix/store | check the URL",
  ],
  [
    "behind a lock",
    { "/nix-cache-info": { status: 401, text: "" } },
    "cache wrong | URL: answers HTTP 401 for nix-cache-info | it wants credentials",
  ],
  [
    "without the head",
    {},
    "cache warning | URL: does not hold the head, nixos-system-fridge-25.05 | another cache of the release has to, or nix copy --to puts it there",
  ],
  [
    "with the head unsigned",
    narinfo(""),
    "cache wrong | URL: holds the head, nixos-system-fridge-25.05, without a signature | devices refuse it; nix store sign --recursive, then copy again",
  ],
])("a cache that is %s", async (_, pages, finding) => {
  const { short } = await findings({ pages }, "--channel", "prod", "--own-cache");
  expect(short).toContain(finding);
});

it("tells a refused connection and a port without TLS apart", async () => {
  const gone = await httpDouble(() => {});
  await gone[Symbol.asyncDispose]();
  await using plain = await httpDouble(() => {});
  const refused = await plain.run("doctor", "--server", gone.url);
  expect(refused.code).toBe(1);
  expect(refused.out).toMatch(
    /wrong +server +http:.*ECONNREFUSED.*; check the port, and that it is/u,
  );
  expect(refused.out).toMatch(/skipped +clock +the server tells no time/u);
  const asked = await plain.run("doctor", "--server", gone.url, "--token", "t");
  expect(asked.out).toMatch(/skipped +token +the server is to be mended first/u);
  const tls = await plain.run("doctor", "--server", plain.url.replace("http:", "https:"));
  expect(tls.out).toMatch(/wrong +server +https:.*; it speaks no TLS there; write http:\/\//u);
});

it("a missing server is a finding, beside what can be looked at without one", async () => {
  await using server = await httpDouble(() => {});
  const { code, out, err } = await server.run("doctor", "--server", "nowhere", "--json");
  expect(code).toBe(1);
  expect(JSON.parse(out)).toMatchObject({
    healthy: false,
    findings: [
      { check: "configuration", verdict: "wrong", found: expect.stringMatching(/no server URL/u) },
      { check: "nix" },
      { check: "key", verdict: "skipped" },
      { check: "cache", verdict: "skipped" },
    ],
  });
  expect(err).toMatch(/^error: [12] checks? of 4 found something wrong\n$/u);
});
