import { ConnectError } from "@connectrpc/connect";
import { reasonOf } from "@nix-ota/proto/reason";
import { expect, test } from "vitest";

import type { LIMITS } from "../src/limits.ts";
import { clientsOf, TestServer } from "./server.testkit.ts";

const HOUR_S = 3_600;
/** No window ends while a test runs. */
const start = async (limits: Partial<Record<keyof typeof LIMITS, number>>) =>
  await TestServer.start("postgresql", {
    argv: ["--trusted-proxy", "127.0.0.1"],
    limits: { proofWindowS: HOUR_S, failureWindowS: HOUR_S, callWindowS: HOUR_S, ...limits },
  });
const outcome = async (call: Promise<unknown>) =>
  await call.then(
    () => "answered",
    (error: unknown) => reasonOf(error)?.reason ?? String(ConnectError.from(error)),
  );
const from = (address: string) => ({ headers: { "x-forwarded-for": address } });

test("a flood before authentication is answered with the time to wait, and others are served", async () => {
  await using server = await start({ proofsPerAddress: 3 });
  const { checkin } = clientsOf(server.url);
  const challenge = (address: string) =>
    checkin.createChallenge({ deviceId: "gw-1" }, from(address));
  for (let count = 0; count < 3; count += 1) await challenge("192.0.2.1");
  const refusal = await challenge("192.0.2.1").catch(reasonOf);
  expect(refusal).toMatchObject({ reason: "OVERLOADED" });
  expect(refusal && "retryAfterMs" in refusal && refusal.retryAfterMs).toBeGreaterThan(1_000_000);
  const enrol = checkin.enrol(
    { channel: "prod", publicKey: new Uint8Array(32) },
    from("192.0.2.1"),
  );
  expect(await outcome(enrol)).toBe("OVERLOADED");
  expect(await outcome(challenge("192.0.2.2"))).toBe("answered");
});

test("a guessed token is not asked about for ever, and who is known goes on", async () => {
  await using server = await start({ failuresPerAddress: 3 });
  const made = async (name: string) =>
    (await server.admin.access.createToken({ name, scopes: ["read"] })).secret;
  const [known, fresh] = [await made("known"), await made("fresh")];
  const call = async (token: string, address = "192.0.2.1") =>
    await outcome(clientsOf(server.url, token).access.getCaller({}, from(address)));
  const guess = (digit: number) => `nota_${"0".repeat(16)}_${String(digit).repeat(64)}`;
  expect(await call(known)).toBe("answered");
  expect([await call(guess(1)), await call(guess(2)), await call("w".repeat(40))]).toEqual(
    [1, 2, 3].map(() => "CREDENTIAL_INVALID"),
  );
  // The same for a token that is good: over the limit nothing is looked up.
  expect([await call(guess(4)), await call(fresh)]).toEqual(["OVERLOADED", "OVERLOADED"]);
  expect(await call(known)).toBe("answered");
  expect(await call(fresh, "192.0.2.2")).toBe("answered");
  const signIn = await fetch(`${server.url}/nixota.v1.AccessService/SignIn`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      "sec-fetch-site": "same-origin",
      "x-forwarded-for": "192.0.2.1",
    },
    body: JSON.stringify({ token: guess(5) }),
  });
  expect(signIn.status).toBe(429);
});

test("a fleet behind one NAT is not throttled by its address, and one of it by itself", async () => {
  const [devices, calls] = [5, 20];
  await using server = await start({
    // What they need to come in, and not a call more.
    proofsPerAddress: devices * 4,
    callsPerDevice: calls,
  });
  const fleet = await Promise.all(
    Array.from({ length: devices }, (_, index) => server.device(`nat-${index}`, index + 1)),
  );
  for (let round = 0; round < calls; round += 1) {
    const answers = await Promise.all(fleet.map((device) => outcome(device.report())));
    expect(answers).toEqual(fleet.map(() => "answered"));
  }
  const [loud] = fleet;
  expect(await outcome(loud!.report())).toBe("OVERLOADED");
  expect(await outcome(loud!.clients.channel.getCurrent({ channel: "prod" }))).toBe("OVERLOADED");
});

test("one token's calls do not take the place of another's", async () => {
  await using server = await start({ callsPerToken: 3 });
  const call = async (token: string) =>
    await outcome(clientsOf(server.url, token).access.getCaller({}));
  for (let count = 0; count < 3; count += 1) expect(await call(server.token)).toBe("answered");
  expect(await call(server.token)).toBe("OVERLOADED");
  expect(await call(server.adminToken)).toBe("answered");
});

test("the audit has the address that a trusted proxy tells, and none that a stranger wrote", async () => {
  const addressBy = async (argv: readonly string[]) => {
    await using server = await TestServer.start("postgresql", { argv });
    await server.admin.access.createToken(
      { name: "t", scopes: ["read"] },
      from("8.8.8.8, 192.0.2.7"),
    );
    const { entries } = await server.admin.access.listAuditEntries({});
    return entries[0]?.address;
  };
  expect([await addressBy(["--trusted-proxy", "127.0.0.0/8"]), await addressBy([])]).toEqual([
    "192.0.2.7",
    "127.0.0.1",
  ]);
});
