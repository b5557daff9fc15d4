import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { createRouterTransport } from "@connectrpc/connect";
import { HoldReason } from "@nix-ota/proto/nixota/v1/channel_pb";
import { CheckinService } from "@nix-ota/proto/nixota/v1/checkin_service_pb";
import {
  AgentState,
  DeviceEventSchema,
  DeviceSchema,
  DeviceStanding,
  FailureCode,
  Outcome,
  type Device,
} from "@nix-ota/proto/nixota/v1/device_pb";
import { RejectCode } from "@nix-ota/proto/nixota/v1/manifest_pb";
import { otaError } from "@nix-ota/proto/reason";
import { expect, it } from "vitest";

import { serverOver, type Server } from "../client.ts";
import { createOutput } from "../output.ts";
import { NOW_MS, recordingHost } from "../recording-host.testkit.ts";
import { listDevices } from "./list.ts";
import { showDevice } from "./show.ts";
import { explainDevice } from "./why.ts";

const RUNNING = "/nix/store/0c2hv4rwmf9mjxgnfhwgj5i5ifi6kqfx-nixos-system-till-25.05";
const accepted = DeviceStanding.ACCEPTED;

const FLEET: Device[] = [
  create(DeviceSchema, {
    id: "fridge-001",
    channel: "prod",
    standing: accepted,
    state: AgentState.IDLE,
    committedRevision: 42n,
    attempt: { revision: 42n, outcome: Outcome.APPLIED },
    lastSeenAt: timestampFromMs(NOW_MS - 20_000),
  }),
  create(DeviceSchema, {
    id: "fridge-002",
    channel: "prod",
    target: "front",
    standing: accepted,
    state: AgentState.IDLE,
    committedRevision: 41n,
    floor: { revision: 42n },
    links: { running: RUNNING, booted: RUNNING, profile: RUNNING },
    attempt: {
      revision: 42n,
      outcome: Outcome.ROLLED_BACK,
      failureCode: FailureCode.HEALTH_FAILED,
      message: "the health command failed 3 times; look at its unit",
    },
    lastSeenAt: timestampFromMs(NOW_MS - 7_200_000),
  }),
  create(DeviceSchema, {
    id: "fridge-003",
    channel: "prod",
    standing: accepted,
    state: AgentState.FETCHING,
    attempt: { revision: 42n },
    lastSeenAt: timestampFromMs(NOW_MS),
  }),
  create(DeviceSchema, {
    id: "fridge-004",
    channel: "prod",
    standing: accepted,
    state: AgentState.IDLE,
    attempt: { revision: 9n, outcome: Outcome.REJECTED, rejectCode: RejectCode.REPLAY },
  }),
  create(DeviceSchema, { id: "fridge-005", channel: "prod", standing: DeviceStanding.PENDING }),
];

function serving(devices: readonly Device[], message = "the release is here"): Server {
  const known = (id: string): Device => {
    const device = devices.find((one) => one.id === id);
    if (device === undefined) throw otaError("DEVICE_UNKNOWN", "no such device");
    return device;
  };
  const transport = createRouterTransport(({ service }) => {
    service(CheckinService, {
      listDevices: ({ cursor }) => {
        const from = Number(cursor || 0);
        const page = devices.slice(from, from + 2);
        return { devices: page, nextCursor: from + 2 < devices.length ? `${from + 2}` : "" };
      },
      getDevice: ({ deviceId }) => ({ device: known(deviceId) }),
      listDeviceEvents: () => ({
        events: [
          create(DeviceEventSchema, {
            occurredAt: timestampFromMs(NOW_MS - 60_000),
            state: AgentState.PROBATION,
            attempt: { revision: 42n },
            message,
          }),
        ],
      }),
      explainDevice: ({ deviceId }) => ({
        sentence: `${known(deviceId).id} is up to date`,
        device: known(deviceId),
        directive: { verdict: { case: "hold", value: { reason: HoldReason.UP_TO_DATE } } },
      }),
    });
  });
  return serverOver(transport, "https://ota.test");
}

function printing(json = false) {
  const host = recordingHost();
  return { host, output: createOutput(host, { json, quiet: false }) };
}

it("lists devices over all pages: what they run, do and last tried", async () => {
  const { host, output } = printing();
  await listDevices({ filter: "", limit: 100 }, serving(FLEET), host, output);
  expect(host.out()).toBe(
    [
      "DEVICE      CHANNEL  TARGET  RUNS  STATE     LAST ATTEMPT                    SEEN",
      "fridge-001  prod     –        r42  idle      r42 applied                     20 s ago",
      "fridge-002  prod     front    r41  idle      r42 rolled_back: health_failed  2 h ago",
      "fridge-003  prod     –          –  fetching  r42 under way                   just now",
      "fridge-004  prod     –          –  idle      r9 rejected: replay             –",
      "fridge-005  prod     –          –  pending   –                               –",
      "",
    ].join("\n"),
  );
});

it("lists no more than asked for and says that there are more", async () => {
  const { host, output } = printing();
  await listDevices({ filter: "", limit: 3 }, serving(FLEET), host, output);
  expect(host.out().trim().split("\n")).toHaveLength(4);
  expect(host.err()).toBe("only the first 3 devices; see more with --limit\n");
});

it("JSON has every key, absolute times and names of states", async () => {
  const { host, output } = printing(true);
  await listDevices({ filter: "", limit: 100 }, serving(FLEET), host, output);
  const { devices, truncated } = JSON.parse(host.out());
  expect(truncated).toBe(false);
  expect(devices[1]).toMatchObject({
    id: "fridge-002",
    standing: "accepted",
    state: "idle",
    committedRevision: 41,
    floorRevision: 42,
    attempt: { revision: 42, outcome: "rolled_back", failure: "health_failed", rejected: "" },
    lastSeenAt: new Date(NOW_MS - 7_200_000).toISOString(),
  });
  expect(Object.keys(devices[4])).toEqual(Object.keys(devices[1]));
});

it("shows a device with the cause of its last failure and what happened on it", async () => {
  const { host, output } = printing();
  await showDevice("fridge-002", serving(FLEET), host, output);
  expect(host.out()).toBe(
    [
      "device        fridge-002",
      "channel       prod",
      "target        front",
      "runs          r41",
      "state         idle",
      "last attempt  r42 rolled_back: health_failed",
      "because       the health command failed 3 times; look at its unit",
      "verified      up to r42",
      `running       ${RUNNING}`,
      "enrolled      –",
      `seen          2 h ago (${new Date(NOW_MS - 7_200_000).toISOString()})`,
      "",
      "WHEN       RELEASE  WHAT       DETAIL",
      "1 min ago  r42      probation  the release is here",
      "",
    ].join("\n"),
  );
});

it("what a device reports cannot repaint the terminal", async () => {
  const hostile = "ok\u001b[2J\u202e gnp.exe\nroot@fridge:~#";
  const device = create(DeviceSchema, {
    id: "fridge-006",
    channel: "prod",
    agentVersion: hostile,
    links: { running: hostile },
    inventory: { hostname: hostile, kernel: hostile },
    attempt: { revision: 1n, outcome: Outcome.FAILED, message: hostile },
  });
  for (const json of [false, true]) {
    const { host, output } = printing(json);
    await showDevice("fridge-006", serving([device], hostile), host, output);
    expect(host.out().replaceAll("\n", "")).not.toMatch(/\p{Cc}|\p{Bidi_C}/u);
    expect(host.out()).not.toMatch(/^root@/mu);
  }
});

it("says why a device is where it is", async () => {
  const { host, output } = printing();
  await explainDevice("fridge-001", serving(FLEET), host, output);
  expect(host.out()).toBe("fridge-001 is up to date\n");
  const asJson = printing(true);
  await explainDevice("fridge-001", serving(FLEET), asJson.host, asJson.output);
  expect(JSON.parse(asJson.host.out())).toEqual({
    deviceId: "fridge-001",
    sentence: "fridge-001 is up to date",
    offeredRevision: null,
    heldBecause: "up_to_date",
    pinnedRevision: 0,
    retryRevision: 0,
    quarantinedRevisions: [],
    cloned: false,
    keyConflictAt: null,
  });
});

it("an unknown device is the server's refusal, with what to do", async () => {
  const { host, output } = printing();
  await expect(explainDevice("fridge-999", serving(FLEET), host, output)).rejects.toThrow(
    expect.objectContaining({
      kind: "refused",
      message: "no such device; nix-ota device list shows which there are",
    }),
  );
});

const TROUBLED = create(DeviceSchema, {
  id: "fridge-008",
  channel: "prod",
  standing: accepted,
  state: AgentState.IDLE,
  committedRevision: 41n,
  attempt: { revision: 43n, outcome: Outcome.FAILED, failureCode: FailureCode.NO_SPACE },
  pinnedRevision: 41n,
  retryRevision: 43n,
  quarantinedRevisions: [40n, 43n],
  keyConflictAt: timestampFromMs(NOW_MS - 7_200_000),
  cloned: true,
  publicKey: new Uint8Array(32).fill(1),
  keyEpoch: 2,
  enrolledAt: timestampFromMs(NOW_MS - 86_400_000),
  enrolledBy: "token:e1",
  tags: ["shop"],
});

it("notes beside the state what operators and other machines did to a device", async () => {
  const { host, output } = printing();
  await listDevices({ filter: "", limit: 100 }, serving([...FLEET, TROUBLED]), host, output);
  const [title, ...rows] = host.out().split("\n");
  expect(title).toMatch(/SEEN +NOTES$/u);
  expect(rows[0]).toMatch(/20 s ago +–$/u);
  // The revision of the last attempt is said there.
  expect(rows[5]).toMatch(/ cloned .* key conflict, pin r41, retry r43, not r40$/u);
});

it("begins with what somebody has to look into, and says what to do", async () => {
  const { host, output } = printing();
  await showDevice("fridge-008", serving([TROUBLED]), host, output);
  const lines = host.out().split("\n");
  expect(lines.slice(0, 2)).toEqual([
    "two machines report as fridge-008 with the same key; give one of them an id and a key of its own",
    "somebody came as fridge-008 with another key 2 h ago; if it was installed anew, nix-ota device forget fridge-008 lets it in",
  ]);
  expect(lines).toEqual(
    expect.arrayContaining([
      "pinned to     r41",
      "to retry      r43",
      "quarantined   r40, r43",
      "own key       AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE= (key epoch 2)",
      "enrolled      1 d ago, by token:e1",
    ]),
  );
});

it("quotes for a shell what a server calls a device", async () => {
  const { host, output } = printing();
  const hostile = create(DeviceSchema, { ...TROUBLED, id: "a; rm -rf ~\u202e" });
  const server = serving([hostile]);
  await showDevice(hostile.id, server, host, output);
  expect(host.out()).toContain("nix-ota device forget 'a; rm -rf ~' lets it in");
});

it("says why, and what somebody has to look into beside it", async () => {
  const { host, output } = printing();
  await explainDevice("fridge-008", serving([TROUBLED]), host, output);
  expect(host.out().split("\n")).toEqual([
    "fridge-008 is up to date",
    expect.stringMatching(/^two machines report as fridge-008/u),
    expect.stringMatching(/^somebody came as fridge-008/u),
    "",
  ]);
  const asJson = printing(true);
  await explainDevice("fridge-008", serving([TROUBLED]), asJson.host, asJson.output);
  expect(JSON.parse(asJson.host.out())).toMatchObject({
    pinnedRevision: 41,
    retryRevision: 43,
    quarantinedRevisions: [40, 43],
    cloned: true,
    keyConflictAt: new Date(NOW_MS - 7_200_000).toISOString(),
  });
});

it("tells a program the same", async () => {
  const { host, output } = printing(true);
  await showDevice("fridge-008", serving([TROUBLED]), host, output);
  expect(JSON.parse(host.out()).device).toMatchObject({
    pinnedRevision: 41,
    retryRevision: 43,
    quarantinedRevisions: [40, 43],
    cloned: true,
    keyConflictAt: new Date(NOW_MS - 7_200_000).toISOString(),
    publicKey: "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=",
    keyEpoch: 2,
    enrolledBy: "token:e1",
    tags: ["shop"],
  });
});

it("explains the filter where nobody meets it", async () => {
  const { host, output } = printing();
  await listDevices({ filter: "tag:x", limit: 100 }, serving([]), host, output);
  expect(host.out()).toBe(
    "no device meets the filter; nix-ota device list --help explains its terms\n",
  );
});
