import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createRouterTransport } from "@connectrpc/connect";
import { CheckinService } from "@nix-ota/proto/nixota/v1/checkin_service_pb";
import {
  AgentState,
  DeviceSchema,
  DeviceStanding,
  FailureCode,
  Outcome,
  type Device,
} from "@nix-ota/proto/nixota/v1/device_pb";
import { PublishService } from "@nix-ota/proto/nixota/v1/publish_service_pb";
import { ReleaseSchema, type Release } from "@nix-ota/proto/nixota/v1/release_pb";
import { RolloutState } from "@nix-ota/proto/nixota/v1/rollout_pb";
import { otaError } from "@nix-ota/proto/reason";
import { expect, it } from "vitest";

import { serverOver } from "../client.ts";
import type { Host } from "../host.ts";
import { createOutput } from "../output.ts";
import { NOW_MS, recordingHost } from "../recording-host.testkit.ts";
import { deviceProgress } from "./device-progress.ts";
import { readWaitOptions } from "./options.ts";
import { waitForRelease, type WaitWishes } from "./wait.ts";

const REVISION = 7n;

type Given = Exclude<MessageInitShape<typeof DeviceSchema>, Device>;

function device(id: string, given: Given = {}): Device {
  return create(DeviceSchema, {
    id,
    channel: "prod",
    standing: DeviceStanding.ACCEPTED,
    state: AgentState.IDLE,
    lastSeenAt: timestampFromMs(NOW_MS - 20_000),
    ...given,
  });
}

const healthy = (id: string): Device => device(id, { committedRevision: REVISION });
const tried = (id: string, outcome: Outcome, more: Given = {}): Device =>
  device(id, {
    attempt: {
      channel: "prod",
      revision: REVISION,
      outcome,
      failureCode: outcome === Outcome.UNSPECIFIED ? 0 : FailureCode.HEALTH_FAILED,
      message: outcome === Outcome.UNSPECIFIED ? "" : "curl: (7)\u001b[2J refused",
    },
    ...more,
  });
const busy = (id: string): Device => tried(id, Outcome.UNSPECIFIED);
const failed = (id: string): Device => tried(id, Outcome.ROLLED_BACK);
const offline = (id: string): Device =>
  device(id, { lastSeenAt: timestampFromMs(NOW_MS - 3_600_000) });

/** What the server shows at one look. */
interface Scene {
  devices: readonly Device[];
  state?: RolloutState;
  explanation?: string;
  silent?: bigint;
  /** The server does not answer. */
  away?: boolean;
}

/** A server that shows one scene after the other, the last one for ever. */
function serverOf(scenes: readonly Scene[], mayReadDevices = true) {
  let look = -1;
  const scene = (): Scene => scenes[Math.min(look, scenes.length - 1)] ?? { devices: [] };
  const transport = createRouterTransport(({ service }) => {
    service(PublishService, {
      getRelease: () => {
        look += 1;
        if (scene().away) throw new ConnectError("connect ECONNREFUSED", Code.Unavailable);
        return { release: releaseOf(scene(), look) };
      },
    });
    service(CheckinService, {
      listDevices: () => {
        if (!mayReadDevices) throw otaError("SCOPE_MISSING", "the token lacks scope read");
        return { devices: [...scene().devices] };
      },
    });
  });
  return { server: serverOver(transport, "https://ota.test"), looks: () => look + 1 };
}

function releaseOf(
  { devices, state, explanation = "", silent = 0n }: Scene,
  look: number,
): Release {
  const count = (wanted: (one: Device) => boolean) => BigInt(devices.filter(wanted).length);
  return create(ReleaseSchema, {
    channel: "prod",
    revision: REVISION,
    manifests: [{ target: "" }],
    rollout: {
      channel: "prod",
      revision: REVISION,
      state: state ?? RolloutState.RUNNING,
      explanation,
    },
    outcomes: {
      applied: count((one) => one.committedRevision >= REVISION),
      rolledBack: count((one) => one.attempt?.outcome === Outcome.ROLLED_BACK),
      inProgress: count((one) => one.attempt?.outcome === Outcome.UNSPECIFIED),
      // Each scene differs, so that the devices are read again.
      outstanding: BigInt(look),
      silent,
    },
  });
}

/** Time goes on only by waiting. */
function clockHost(given: { terminal?: boolean; signal?: AbortSignal } = {}): Host & {
  out(): string;
  err(): string;
} {
  const host = recordingHost({ ...given, columns: 80, env: { NO_COLOR: "1" } });
  let nowMs = NOW_MS;
  return {
    ...host,
    now: () => nowMs,
    wait: async (ms, signal) => {
      signal.throwIfAborted();
      nowMs += ms;
    },
  };
}

async function wait(
  scenes: readonly Scene[],
  wishes: Partial<WaitWishes> = {},
  given: { json?: boolean; terminal?: boolean; mayReadDevices?: boolean; host?: Host } = {},
) {
  const recorded = clockHost({ terminal: given.terminal ?? false });
  const host = given.host ?? recorded;
  const output = createOutput(host, { json: given.json ?? false, quiet: false, lines: true });
  const { server, looks } = serverOf(scenes, given.mayReadDevices);
  let error: unknown;
  try {
    await waitForRelease(
      {
        channel: "prod",
        revision: REVISION,
        timeoutMs: 60_000,
        offline: "wait",
        offlineAfterMs: 180_000,
        failures: { count: 0 },
        ...wishes,
      },
      { server, host, output },
    );
  } catch (caught) {
    error = caught;
  }
  return { error, out: recorded.out(), err: recorded.err(), looks: looks() };
}

it("ends well when every device is healthy, and tells the steps in between once each", async () => {
  const { error, out, err, looks } = await wait([
    { devices: [device("a"), device("b")] },
    { devices: [busy("a"), device("b")] },
    { devices: [busy("a"), device("b")] },
    { devices: [healthy("a"), busy("b")] },
    { devices: [healthy("a"), healthy("b")] },
  ]);
  expect(error).toBeUndefined();
  expect(looks).toBe(5);
  expect(out).toBe("r7 on prod: 2 of 2 devices healthy\n");
  expect(err).toBe(
    [
      "r7 on prod: 0 of 2 healthy, 2 outstanding",
      "r7 on prod: 0 of 2 healthy, 1 at work, 1 outstanding",
      "r7 on prod: 1 of 2 healthy, 1 at work",
      "r7 on prod: 2 of 2 healthy",
      "",
    ].join("\n"),
  );
});

it("on a terminal shows one line that moves, and failures above it", async () => {
  const { err } = await wait(
    [{ devices: [busy("a"), device("b")] }, { devices: [failed("a"), healthy("b")] }],
    { failures: { count: 1 } },
    { terminal: true },
  );
  expect(err).toBe(
    "\r\u001b[2Kr7 on prod: 0 of 2 healthy, 1 at work, 1 outstanding, 0 s" +
      "\r\u001b[2Kfailed  a: r7 rolled_back: health_failed: curl: (7)[2J refused\n" +
      "\r\u001b[2Kr7 on prod: 1 of 2 healthy, 1 failed, 2 s\r\u001b[2K",
  );
});

it("a failure ends it with its reason", async () => {
  const { error, out, err } = await wait([
    { devices: [busy("a"), device("b")] },
    { devices: [failed("a"), device("b")] },
  ]);
  expect(error).toMatchObject({
    kind: "halted",
    message: "r7 on prod failed on 1 of 2 devices; nix-ota device list shows which",
  });
  expect(err).toContain("failed  a: r7 rolled_back: health_failed: curl: (7)[2J refused\n");
  expect(out).toBe("failed: 0 of 2 healthy, 1 failed, 1 outstanding\n");
});

it.each<[string, Partial<WaitWishes>, readonly Device[], string | undefined]>([
  ["one of one allowed", { failures: { count: 1 } }, [failed("a"), healthy("b")], undefined],
  ["two of one allowed", { failures: { count: 1 } }, [failed("a"), failed("b")], "halted"],
  ["half of half allowed", { failures: { percent: 50 } }, [failed("a"), healthy("b")], undefined],
  ["half of a third allowed", { failures: { percent: 33 } }, [failed("a"), healthy("b")], "halted"],
  ["an offline one, ignored", { offline: "ignore" }, [offline("a"), healthy("b")], undefined],
  ["an offline one, waited for", { offline: "wait" }, [offline("a"), healthy("b")], "timed-out"],
  ["an offline one, a failure", { offline: "fail" }, [offline("a"), healthy("b")], "halted"],
  ["one that stays at work", {}, [busy("a"), healthy("b")], "timed-out"],
  ["nobody", {}, [], undefined],
])("ends as it should with %s", async (_, wishes, devices, kind) => {
  const { error } = await wait([{ devices }], wishes);
  expect((error as { kind?: string } | undefined)?.kind).toBe(kind);
});

it("tells a failure once, and again when it fails for another reason", async () => {
  const again = tried("a", Outcome.REJECTED);
  const { err } = await wait(
    [
      { devices: [failed("a"), busy("b")] },
      { devices: [failed("a"), busy("b")] },
      { devices: [again, busy("b")] },
      { devices: [again, healthy("b")] },
    ],
    { failures: { count: 1 } },
  );
  expect(err.match(/^failed {2}a: .*$/gmu)).toEqual([
    expect.stringContaining("r7 rolled_back"),
    expect.stringContaining("r7 rejected"),
  ]);
});

it("an offline device that comes back is waited for, also where offline ones are ignored", async () => {
  const back = (more: Given = {}) =>
    device("a", { lastSeenAt: timestampFromMs(NOW_MS + 1000), ...more });
  const { error, looks } = await wait(
    [
      { devices: [offline("a"), busy("b")] },
      { devices: [back(), healthy("b")] },
      { devices: [back({ committedRevision: REVISION }), healthy("b")] },
    ],
    { offline: "ignore" },
  );
  expect(error).toBeUndefined();
  expect(looks).toBe(3);
});

it.each<[string, RolloutState, string]>([
  ["halted", RolloutState.HALTED, "r7 on prod was halted: too many, with 1 device outstanding"],
  ["aborted", RolloutState.ABORTED, "r7 on prod was aborted by an operator"],
  ["superseded", RolloutState.SUPERSEDED, "r7 on prod was superseded: a higher revision"],
])("a rollout that was %s ends it", async (_, state, message) => {
  const { error } = await wait([{ devices: [device("a")], state, explanation: "too many" }]);
  expect(error).toMatchObject({ kind: "halted", message: expect.stringContaining(message) });
});

it("a rollout that is superseded after every device took it is a success", async () => {
  const state = RolloutState.SUPERSEDED;
  expect((await wait([{ devices: [healthy("a")], state }])).error).toBeUndefined();
});

it("a rollout that is superseded before anybody was to take it is none", async () => {
  const { error } = await wait([{ devices: [], state: RolloutState.SUPERSEDED }]);
  expect(error).toMatchObject({ kind: "halted" });
});

it("tells that a rollout is paused, and goes on with it", async () => {
  const saying = { state: RolloutState.PAUSED, explanation: "paused; do this" };
  const remedied = await wait([{ devices: [device("a")], ...saying }]);
  expect(remedied.err).toContain("the rollout is paused: paused; do this\n");
  const { error, err } = await wait([
    { devices: [device("a")], state: RolloutState.PAUSED, explanation: "by mia" },
    { devices: [device("a")], state: RolloutState.PAUSED, explanation: "by mia" },
    { devices: [healthy("a")], state: RolloutState.COMPLETED },
  ]);
  expect(error).toBeUndefined();
  expect(
    err.match(/the rollout is paused: by mia; nix-ota rollout resume goes on\n/gu),
  ).toHaveLength(1);
});

it("devices that fell silent are failures and are counted once", async () => {
  const { error, err } = await wait([{ devices: [busy("a"), healthy("b")], silent: 1n }]);
  expect(error).toMatchObject({ kind: "halted" });
  expect(err).toContain("r7 on prod: 1 of 2 healthy, 1 silent\n");
});

it("a server that does not answer is asked again until the time is over", async () => {
  const away = { devices: [], away: true };
  const back = await wait([away, away, { devices: [healthy("a")] }]);
  expect(back.error).toBeUndefined();
  expect(back.err.match(/cannot be reached/gu)).toHaveLength(1);
  expect(back.err).toContain("the server answers again\n");
  const gone = await wait([away]);
  expect(gone.error).toMatchObject({ kind: "timed-out" });
});

it("counts without names where the token may not read devices", async () => {
  const { error, err } = await wait(
    [{ devices: [failed("a"), healthy("b")] }],
    { failures: { count: 1 } },
    { mayReadDevices: false },
  );
  expect(err.match(/the token may not read devices/gu)).toHaveLength(1);
  expect(error).toBeUndefined();
});

it("says which devices are offline or refuses: that needs a token that may read them", async () => {
  const { error } = await wait([{ devices: [] }], { offline: "fail" }, { mayReadDevices: false });
  expect(error).toMatchObject({ kind: "refused" });
});

it("an interrupt ends the waiting and says that the release goes on", async () => {
  const interrupt = new AbortController();
  const host = clockHost({ signal: interrupt.signal });
  const waiting = {
    ...host,
    wait: async (_ms: number, signal: AbortSignal) => {
      interrupt.abort();
      signal.throwIfAborted();
    },
  };
  const { error } = await wait([{ devices: [device("a")] }], {}, { host: waiting });
  expect(error).toMatchObject({ name: "AbortError" });
  expect(host.err()).toMatch(/the waiting ended; the release goes on/u);
});

it("with --json prints one document a line, the last one how it ended", async () => {
  const { out } = await wait(
    [{ devices: [busy("a"), healthy("b")] }, { devices: [failed("a"), healthy("b")] }],
    {},
    { json: true },
  );
  const lines = out.trimEnd().split("\n");
  const documents = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(documents).toMatchObject([
    { event: "progress", expected: 2, healthy: 1, atWork: 1 },
    { event: "failure", deviceId: "a" },
    { event: "progress", failed: 1, atWork: 0 },
    { event: "end", outcome: "failed", revision: 7, failures: [{ deviceId: "a" }] },
  ]);
});

const RELEASE = { channel: "prod", revision: REVISION, targets: new Set([""]) };

it.each<[string, Device, string]>([
  ["a later release", device("a", { committedRevision: 8n }), "healthy"],
  [
    "an earlier attempt that failed",
    device("a", { attempt: { channel: "prod", revision: 6n, outcome: Outcome.FAILED } }),
    "outstanding",
  ],
  [
    "a failure of the number on another channel",
    device("a", { attempt: { channel: "lab", revision: 7n, outcome: Outcome.FAILED } }),
    "outstanding",
  ],
  ["a power cut", tried("a", Outcome.INTERRUPTED), "outstanding"],
  ["a refusal", tried("a", Outcome.REJECTED), "failed"],
  ["a failed fetch", tried("a", Outcome.FAILED), "failed"],
  [
    "a failure that is tried once more",
    tried("a", Outcome.FAILED, { retryRevision: 7n }),
    "outstanding",
  ],
  ["a quarantine", device("a", { quarantinedRevisions: [7n] }), "failed"],
  [
    "no way forward or back",
    tried("a", Outcome.UNSPECIFIED, { state: AgentState.STUCK }),
    "failed",
  ],
  ["another target", device("a", { target: "front" }), "left-out"],
  ["a pin", device("a", { pinnedRevision: 5n }), "left-out"],
  ["a pin to it", device("a", { pinnedRevision: 7n }), "outstanding"],
  ["no approval", device("a", { standing: DeviceStanding.PENDING }), "left-out"],
])("a device with %s is judged rightly", (_, subject, kind) => {
  expect(deviceProgress(subject, RELEASE).kind).toBe(kind);
});

const OPTIONS = { timeout: "30m", offline: "wait" as const, offlineAfter: "3m", failures: "0" };

it("reads how to wait", () => {
  expect(readWaitOptions({ ...OPTIONS, failures: "5%" })).toEqual({
    timeoutMs: 1_800_000,
    offline: "wait",
    offlineAfterMs: 180_000,
    failures: { percent: 5 },
  });
});

it.each([
  { timeout: "30" },
  { timeout: "" },
  { offlineAfter: "-1s" },
  { failures: "101%" },
  { failures: "x" },
])("refuses %j", (options) => {
  expect(() => readWaitOptions({ ...OPTIONS, ...options })).toThrow(
    expect.objectContaining({ kind: "usage" }),
  );
});
