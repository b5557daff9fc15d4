import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { publicKeyOf } from "@nix-ota/proto/ed25519";
import { sha256 } from "@nix-ota/proto/hash";
import { keyId } from "@nix-ota/proto/key-file";
import { HoldReason } from "@nix-ota/proto/nixota/v1/channel_pb";
import {
  AgentState,
  AttemptSchema,
  DeviceStanding,
  FailureCode,
  Outcome,
  type Directive,
} from "@nix-ota/proto/nixota/v1/device_pb";
import { reasonOf } from "@nix-ota/proto/reason";
import { decodeEnvelope } from "@nix-ota/proto/signed-manifest";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { DATABASES } from "./databases.testkit.ts";
import { envelope, KEY, seed } from "./manifests.testkit.ts";
import { clientsOf, TestDevice, TestServer } from "./server.testkit.ts";

const uuid = (letter: string) => letter.repeat(32);

describe.each(DATABASES)("devices on %s", (kind) => {
  let server: TestServer;
  let payloadSha256: Uint8Array;

  beforeAll(async () => {
    server = await TestServer.start(kind);
    const r1 = envelope({ channel: "prod", revision: 1n });
    await server.operator.publish.publish({ envelopes: [r1], publicKeys: [{ key: KEY }] });
    const r2 = envelope({ channel: "prod", revision: 2n });
    await server.operator.publish.publish({ envelopes: [r2] });
    const decoded = decodeEnvelope(r2);
    if (decoded.ok) payloadSha256 = sha256(decoded.envelope.payload);
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
  });

  const refusal = async (call: Promise<unknown>) => {
    const error = await call.then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    const { reason, code } = reasonOf(error) ?? {};
    return [reason, Code[code ?? 0]];
  };

  test("a device enrols on first use, proves itself, and is offered the head", async () => {
    const device = new TestDevice(server.url, "gw-1", seed(1));
    expect(await device.enrol({ channel: "prod" })).toMatchObject({
      standing: DeviceStanding.ACCEPTED,
      keyEpoch: 1,
    });
    expect(await device.authenticate()).toMatchObject({
      lastSequence: 0n,
      standing: DeviceStanding.ACCEPTED,
    });
    const directive = await device.report();
    expect(directive).toMatchObject({
      verdict: {
        case: "offer",
        value: { channel: "prod", target: "", revision: 2n, payloadSha256 },
      },
      acknowledgedSequence: 1n,
      standing: DeviceStanding.ACCEPTED,
    });
    expect(directive.nextCheckInMs).toBeGreaterThanOrEqual(54_000);
    expect(directive.nextCheckInMs).toBeLessThanOrEqual(66_000);
    const current = await device.clients.channel.getCurrent({ channel: "prod", deviceId: "gw-1" });
    expect(current.result).toEqual({
      case: "envelope",
      value: envelope({ channel: "prod", revision: 2n }),
    });
    expect(await device.clients.access.getCaller({})).toMatchObject({ name: "gw-1", scopes: [] });
  });

  test("enrolling again with the same key changes nothing, with another one is a conflict", async () => {
    const device = await server.device("gw-2");
    await device.report();
    expect(await device.enrol({ channel: "elsewhere" })).toMatchObject({ keyEpoch: 1 });
    const { device: stored } = await server.operator.checkin.getDevice({ deviceId: "gw-2" });
    expect(stored?.channel).toBe("prod");

    const intruder = new TestDevice(server.url, "gw-2", seed(66));
    expect(await refusal(intruder.enrol({ channel: "prod" }))).toEqual([
      "KEY_CONFLICT",
      "PermissionDenied",
    ]);
    expect(await refusal(intruder.authenticate())).toEqual(["KEY_CONFLICT", "PermissionDenied"]);
    // Who was pinned goes on as before, and operators see that somebody tried.
    expect((await device.report()).acknowledgedSequence).toBe(2n);
    const shown = await server.operator.checkin.getDevice({ deviceId: "gw-2" });
    expect(shown.device?.keyConflictAt).toBeDefined();
    expect(shown.device?.enrolledBy).toBe("open");
  });

  test("a proof by another key is shown to operators, of whomever it comes", async () => {
    await server.device("gw-13");
    const conflictAt = async () =>
      (await server.operator.checkin.getDevice({ deviceId: "gw-13" })).device?.keyConflictAt;
    expect(await conflictAt()).toBeUndefined();
    const intruder = new TestDevice(server.url, "gw-13", seed(66));
    expect(await refusal(intruder.authenticate())).toEqual(["KEY_CONFLICT", "PermissionDenied"]);
    expect(await conflictAt()).toBeDefined();
  });

  test("a reimaged device that kept its key is told where its numbers go on, and is heard", async () => {
    const before = await server.device("gw-14");
    for (let reports = 0; reports < 5; reports += 1) await before.report();
    const reimaged = new TestDevice(server.url, "gw-14", before.seed);
    expect(await reimaged.authenticate()).toMatchObject({ lastSequence: 5n });
    expect(await reimaged.report({ committedRevision: 1n })).toMatchObject({
      acknowledgedSequence: 5n,
    });
    const told = await reimaged.report({ sequence: 6n, committedRevision: 2n, bootId: "boot-2" });
    expect(told.acknowledgedSequence).toBe(6n);
    const { device } = await server.operator.checkin.getDevice({ deviceId: "gw-14" });
    expect(device).toMatchObject({ committedRevision: 2n, cloned: false });
  });

  test("of many who enrol one id at once, one key is pinned", async () => {
    const rivals = [1, 2, 3, 4].map((byte) => new TestDevice(server.url, "gw-3", seed(byte)));
    const outcomes = await Promise.allSettled(rivals.map((one) => one.enrol({ channel: "prod" })));
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    const losers = outcomes.flatMap((one) => (one.status === "rejected" ? [one.reason] : []));
    expect(losers.map((error) => reasonOf(error)?.reason)).toEqual(Array(3).fill("KEY_CONFLICT"));
  });

  test("a device key relayed, replayed or borrowed is refused", async () => {
    const device = await server.device("gw-4");
    const other = new TestDevice(server.url, "gw-5", seed(5));
    const { checkin } = clientsOf(server.url);
    expect(
      await refusal(checkin.authenticate({ auth: await device.prove("https://evil.example.org") })),
    ).toEqual(["SERVER_URL_MISMATCH", "PermissionDenied"]);
    expect(await refusal(checkin.authenticate({ auth: await other.prove() }))).toEqual([
      "DEVICE_UNKNOWN",
      "NotFound",
    ]);
    const proof = await device.prove();
    proof.signature[0] = (proof.signature[0] ?? 0) ^ 1;
    expect(await refusal(checkin.authenticate({ auth: proof }))).toEqual([
      "KEY_CONFLICT",
      "PermissionDenied",
    ]);
    expect(await refusal(device.report({ deviceId: "gw-1" }))).toEqual([
      "NOT_YOUR_DEVICE",
      "PermissionDenied",
    ]);
    const asking = device.clients.channel.getCurrent({ channel: "prod", deviceId: "gw-1" });
    expect(await refusal(asking)).toEqual(["NOT_YOUR_DEVICE", "PermissionDenied"]);
    expect(await refusal(device.clients.checkin.listDevices({}))).toEqual([
      "SCOPE_MISSING",
      "PermissionDenied",
    ]);
    const forged = clientsOf(server.url, `notas1.${"A".repeat(43)}.9999999999.1.gw-4`);
    expect(await refusal(forged.checkin.checkIn({ report: device.next({}) }))).toEqual([
      "CREDENTIAL_INVALID",
      "Unauthenticated",
    ]);
  });

  test("an older report changes nothing, its events count", async () => {
    const device = await server.device("gw-6");
    const event = (letter: string, number: bigint) => ({
      id: uuid(letter),
      number,
      message: letter,
      state: AgentState.FETCHING,
    });
    const late = device.next({ state: AgentState.FETCHING, events: [event("a", 1n)] });
    await device.report({
      state: AgentState.IDLE,
      committedRevision: 2n,
      events: [event("b", 2n)],
    });
    const { directive } = await device.clients.checkin.checkIn({ report: late });
    expect(directive).toMatchObject({
      acknowledgedSequence: 2n,
      acknowledgedEventIds: [uuid("a")],
    });
    const { device: stored } = await server.operator.checkin.getDevice({ deviceId: "gw-6" });
    expect(stored).toMatchObject({ state: AgentState.IDLE, committedRevision: 2n });
    const { events } = await server.operator.checkin.listDeviceEvents({ deviceId: "gw-6" });
    expect(events.map(({ message }) => message)).toEqual(["a", "b"]);
    expect((await device.authenticate()).lastSequence).toBe(2n);
  });

  test("a repeated event is counted once, however it comes back", async () => {
    const device = await server.device("gw-7");
    const event = { id: uuid("c"), number: 1n, message: "once", state: AgentState.IDLE };
    const same = device.next({ events: [event, event] });
    await device.clients.checkin.checkIn({ report: same });
    await device.clients.checkin.checkIn({ report: same });
    const resent = await device.report({ events: [event] });
    expect(resent.acknowledgedEventIds).toEqual([uuid("c")]);
    await Promise.all([1, 2, 3].map(() => device.report({ events: [event] })));
    const { events } = await server.operator.checkin.listDeviceEvents({ deviceId: "gw-7" });
    expect(events.map(({ message }) => message)).toEqual(["once"]);
  });

  test("an attempt is followed to its end and a quarantined revision is held back", async () => {
    const device = await server.device("gw-8");
    const attempt = {
      id: uuid("d"),
      channel: "prod",
      revision: 2n,
      storePath: "/nix/store/x",
      state: AgentState.PROBATION,
    };
    await device.report({ attempt });
    const failed = {
      ...attempt,
      state: AgentState.IDLE,
      outcome: Outcome.ROLLED_BACK,
      failureCode: FailureCode.HEALTH_FAILED,
      message: "the health command did not pass within 60 s",
    };
    const directive = await device.report({ attempt: failed, quarantinedRevisions: [2n] });
    expect(directive.verdict).toMatchObject({
      case: "hold",
      value: { reason: HoldReason.QUARANTINED },
    });
    const { device: stored } = await server.operator.checkin.getDevice({ deviceId: "gw-8" });
    expect(stored?.attempt).toEqual(create(AttemptSchema, failed));
    const { sentence } = await server.operator.checkin.explainDevice({ deviceId: "gw-8" });
    expect(sentence).toBe(
      "gw-8: r2 of prod failed on the device, which does not try it again by itself; publish a higher revision, or have it tried once more with `nix-ota device retry` (rolled_back at r2: the health command did not pass within 60 s)",
    );
    const { release } = await server.operator.publish.getRelease({ channel: "prod", revision: 2n });
    expect(release?.outcomes?.rolledBack).toBe(1n);
    const current = await device.clients.channel.getCurrent({ channel: "prod" });
    expect(current.result).toMatchObject({
      case: "hold",
      value: { reason: HoldReason.QUARANTINED },
    });
  });

  test("what is held back has its reason", async () => {
    const device = await server.device("gw-9");
    const reasonOfHold = ({ verdict }: Directive) =>
      verdict.case === "hold" ? verdict.value.reason : verdict.case;
    const inventory = { system: "aarch64-linux" };
    expect([
      reasonOfHold(await device.report({ channel: "nothing" })),
      reasonOfHold(await device.report({ target: "unknown" })),
      reasonOfHold(await device.report({ floor: { revision: 9n, payloadSha256: seed(1) } })),
      reasonOfHold(await device.report({ committedRevision: 2n })),
      reasonOfHold(await device.report({ inventory })),
      // Reported once; it holds until the next change.
      reasonOfHold(await device.report()),
      reasonOfHold(await device.report({ inventory: { system: "x86_64-linux" } })),
    ]).toEqual([
      HoldReason.NO_RELEASE,
      HoldReason.NO_MANIFEST_FOR_TARGET,
      HoldReason.SERVER_BEHIND,
      HoldReason.UP_TO_DATE,
      HoldReason.WRONG_SYSTEM,
      HoldReason.WRONG_SYSTEM,
      "offer",
    ]);
  });

  test("hostile values are stored or cut, and spoil nobody else's report", async () => {
    const device = await server.device("gw-10");
    const neighbour = await server.device("gw-11");
    const hostile = device.report({
      sequence: 2n ** 53n - 1n,
      committedRevision: 2n ** 53n - 1n,
      bootId: "zero\0byte",
      agentVersion: "'; drop table device; --",
      state: 2 ** 31 - 1,
      links: { running: "\u{202e}gnp", booted: "=1+1", profile: "\0" },
      events: [
        {
          id: uuid("e"),
          number: 2n ** 64n - 1n,
          message: "\0",
          occurredAt: { seconds: 2n ** 62n, nanos: -1 },
        },
      ],
    } as Parameters<typeof device.report>[0]);
    const [, answered, tooHigh] = await Promise.all([
      hostile,
      neighbour.report(),
      device.report({ sequence: 2n ** 53n }).catch((error: unknown) => ConnectError.from(error)),
    ]);
    expect(tooHigh).toMatchObject({ code: Code.InvalidArgument });
    expect(answered.acknowledgedSequence).toBe(1n);
    const json = await fetch(`${server.url}/nixota.v1.CheckinService/ListDeviceEvents`, {
      method: "POST",
      headers: { authorization: `Bearer ${server.token}`, "content-type": "application/json" },
      body: JSON.stringify({ deviceId: "gw-10" }),
    });
    expect(await json.json()).toMatchObject({ events: [{ number: "18446744073709551615" }] });
    const { devices } = await server.operator.checkin.listDevices({ filter: "channel:prod" });
    expect(devices.map(({ id }) => id)).toContain("gw-10");
  });

  test("pages of devices and events follow each other", async () => {
    const device = await server.device("gw-12");
    const event = (number: number) => ({
      id: number.toString(16).padStart(32, "0"),
      number: BigInt(number),
      message: `${number}`,
    });
    await device.report({ events: [1, 2].map(event) });
    // One receipt, numbers of one and of two digits.
    await device.report({ events: [10, 3, 11, 9].map(event) });
    const pages: string[][] = [];
    for (let cursor = ""; pages.length === 0 || cursor !== "";) {
      const page = await server.operator.checkin.listDeviceEvents({
        deviceId: "gw-12",
        pageSize: 4,
        cursor,
      });
      pages.push(page.events.map(({ message }) => message));
      cursor = page.nextCursor;
    }
    expect(pages).toEqual([
      ["11", "10", "9", "3"],
      ["2", "1"],
    ]);
    const first = await server.operator.checkin.listDevices({ pageSize: 1 });
    const second = await server.operator.checkin.listDevices({
      pageSize: 1,
      cursor: first.nextCursor,
    });
    expect([...first.devices, ...second.devices].map(({ id }) => id)).toEqual(["gw-1", "gw-10"]);
    expect(await refusal(server.operator.checkin.getDevice({ deviceId: "none" }))).toEqual([
      "DEVICE_UNKNOWN",
      "NotFound",
    ]);
  });

  test("a filter finds, pages and counts devices for who may read, and says which of its terms is wrong", async () => {
    for (const number of [1, 2, 3]) {
      const device = await server.device(`sum-${number}`);
      if (number < 3) await device.report({ channel: "sums", state: AgentState.IDLE });
    }
    const { checkin } = server.operator;
    const first = await checkin.listDevices({ filter: "id:sum-* seen:1h", pageSize: 1 });
    const second = await checkin.listDevices({
      filter: "id:sum-* seen:1h",
      pageSize: 1,
      cursor: first.nextCursor,
    });
    expect([...first.devices, ...second.devices].map(({ id }) => id)).toEqual(["sum-1", "sum-2"]);
    const { summary } = await checkin.getFleetSummary({ filter: "id:sum-*" });
    expect(summary).toMatchObject({
      deviceCount: 3n,
      onlineCount: 2n,
      revisions: [
        { channel: "prod", revision: 0n, deviceCount: 1n },
        { channel: "sums", revision: 0n, deviceCount: 2n },
      ],
      states: [
        { state: AgentState.UNSPECIFIED, deviceCount: 1n },
        { state: AgentState.IDLE, deviceCount: 2n },
      ],
    });
    const device = await server.device("sum-1");
    expect([
      await refusal(checkin.listDevices({ filter: "state:asleep" })),
      await refusal(checkin.getFleetSummary({ filter: "prod" })),
      await refusal(device.clients.checkin.getFleetSummary({})),
    ]).toEqual([
      ["FILTER_INVALID", "InvalidArgument"],
      ["FILTER_INVALID", "InvalidArgument"],
      ["SCOPE_MISSING", "PermissionDenied"],
    ]);
  });

  test("a publish names the devices that pin none of the keys that signed it", async () => {
    const publicKeys = [{ key: KEY }, { key: publicKeyOf(seed(8)) }];
    const publish = async (revision: bigint, byte: number) => {
      const signed = envelope({ channel: "rotation", revision }, [seed(byte)]);
      return await server.operator.publish.publish({ envelopes: [signed], publicKeys });
    };
    await publish(1n, 7);
    for (const [id, pinned] of [
      ["pins-both", [seed(7), seed(8)]],
      ["pins-old", [seed(7)]],
      ["tells-nothing", []],
    ] as const) {
      const device = await server.device(id);
      const pinnedKeyIds = pinned.map((one) => keyId(publicKeyOf(one)));
      await device.report({ channel: "rotation", pinnedKeyIds });
    }
    expect((await publish(2n, 8)).unableDeviceIds).toEqual(["pins-old"]);
    expect((await publish(3n, 7)).unableDeviceIds).toEqual([]);
  });
});
