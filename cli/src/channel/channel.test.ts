import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { ChannelSchema, EnrolmentMode, type Channel } from "@nix-ota/proto/nixota/v1/channel_pb";
import {
  ChannelService,
  type CreateChannelRequest,
  type UpdateChannelRequest,
} from "@nix-ota/proto/nixota/v1/channel_service_pb";
import { RolloutState } from "@nix-ota/proto/nixota/v1/rollout_pb";
import { otaError } from "@nix-ota/proto/reason";
import { expect, it } from "vitest";

import { answeringAsk } from "../answering-ask.testkit.ts";
import { httpDouble } from "../http-double.testkit.ts";
import { NOW_MS, recordingHost } from "../recording-host.testkit.ts";
import { storePathOf } from "../store-paths.testkit.ts";
import { setChannel } from "./change.ts";
import { recoverChannel } from "./recover.ts";

const ONE = "6kpsY+KcUgq+9VB7Ey7F+ZVHdq6+vnuSQh7qaRRG0iw=";
const OTHER = "iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w=";
const bytes = (base64: string) => new Uint8Array(Buffer.from(base64, "base64"));

const CHANNELS = [
  create(ChannelSchema, {
    name: "lab",
    createdAt: timestampFromMs(NOW_MS - 60_000),
  }),
  create(ChannelSchema, {
    name: "prod",
    headRevision: 42n,
    fleetFloorRevision: 42n,
    publicKeys: [{ key: bytes(ONE), name: "sign" }],
    threshold: 1,
    paused: true,
    enrolment: EnrolmentMode.TOKEN,
    createdAt: timestampFromMs(NOW_MS - 86_400_000),
  }),
];

const RETURNED = [
  {
    revision: 43n,
    storePath: storePathOf("nixos-system-fridge-25.05"),
    deviceId: "fridge-007",
    receivedAt: timestampFromMs(NOW_MS - 120_000),
  },
];

async function serving(channels: readonly Channel[] = CHANNELS) {
  const created: CreateChannelRequest[] = [];
  const updates: UpdateChannelRequest[] = [];
  const recoveries: boolean[] = [];
  const known = (name: string): Channel => {
    const channel = channels.find((one) => one.name === name);
    if (channel === undefined) throw otaError("CHANNEL_UNKNOWN", `there is no channel ${name}`);
    return channel;
  };
  const server = await httpDouble(({ service }) => {
    service(ChannelService, {
      listChannels: () => ({ channels: [...channels] }),
      getChannel: ({ name }) => ({
        channel: known(name),
        rollout: { state: RolloutState.HALTED, explanation: "3 devices failed" },
      }),
      createChannel: (request) => {
        created.push(request);
        if (channels.some(({ name }) => name === request.name))
          throw otaError("CHANNEL_EXISTS", `there is a channel ${request.name}`);
        return { channel: { name: request.name } };
      },
      updateChannel: (request) => {
        updates.push(request);
        return { channel: known(request.name) };
      },
      recoverChannel: ({ channel, dryRun }) => {
        recoveries.push(dryRun);
        const before = known(channel);
        return {
          channel: dryRun ? before : { ...before, headRevision: 43n, paused: true },
          manifests: RETURNED,
        };
      },
    });
  });
  return Object.assign(server, { created, updates, recoveries });
}

it("lists channels, and says how the first is made", async () => {
  await using server = await serving();
  expect((await server.run("channel", "list")).out).toBe(
    [
      "CHANNEL  HEAD  OFFERS  SIGNED BY   ENROLMENT  MADE",
      "lab         –  on      no key yet  default    1 min ago",
      "prod      r42  paused  1 of 1 key  token      1 d ago",
      "",
    ].join("\n"),
  );
  const { out } = await server.run("channel", "list", "--json");
  expect(JSON.parse(out)).toMatchObject({
    channels: [
      { name: "lab", headRevision: 0, enrolment: "", paused: false, publicKeys: [] },
      { name: "prod", headRevision: 42, enrolment: "token", paused: true },
    ],
    truncated: false,
  });
  await using empty = await serving([]);
  expect((await empty.run("channel", "list")).out).toMatch(/^no channels; nix-ota channel create/u);
});

it("shows a channel with its keys, and for a program every key of the document", async () => {
  await using server = await serving();
  expect((await server.run("channel", "show", "prod")).out).toBe(
    [
      "channel    prod",
      "head       r42",
      "verified   up to r42 by devices",
      "offers     paused",
      "rollout    halted",
      "because    3 devices failed",
      "signed by  1 of these",
      `           sign:${ONE} (key id fe812c12f3ab4ce6ac5db69ac352f906)`,
      "enrolment  token",
      `made       1 d ago (${new Date(NOW_MS - 86_400_000).toISOString()})`,
      "",
    ].join("\n"),
  );
  expect(JSON.parse((await server.run("channel", "show", "prod", "--json")).out)).toEqual({
    name: "prod",
    headRevision: 42,
    fleetFloorRevision: 42,
    paused: true,
    enrolment: "token",
    threshold: 1,
    publicKeys: [{ publicKey: `sign:${ONE}`, keyId: "fe812c12f3ab4ce6ac5db69ac352f906" }],
    createdAt: new Date(NOW_MS - 86_400_000).toISOString(),
    rollout: {
      state: "halted",
      wave: 0,
      waveCount: 0,
      waveBeganAt: null,
      explanation: "3 devices failed",
    },
  });
});

it("says what to do when devices have more than the head", async () => {
  const [, prod] = CHANNELS;
  if (prod === undefined) throw new Error("no sample");
  await using server = await serving([{ ...prod, fleetFloorRevision: 45n }]);
  expect((await server.run("channel", "show", "prod")).out).toMatch(
    /up to r45 by devices, above the head: .*; nix-ota channel recover prod --dry-run shows/u,
  );
});

it("makes a channel with keys, threshold and enrolment", async () => {
  await using server = await serving();
  const keys = ["--public-key", `a:${ONE}`, "--public-key", `b:${OTHER}`, "--threshold", "2"];
  const made = await server.run("channel", "create", "new", ...keys, "--enrolment", "approve");
  expect(made).toEqual({ code: 0, out: "channel new is made\n", err: "" });
  expect(server.created).toMatchObject([
    {
      name: "new",
      publicKeys: [
        { name: "a", key: bytes(ONE) },
        { name: "b", key: bytes(OTHER) },
      ],
      threshold: 2,
      enrolment: EnrolmentMode.APPROVE,
    },
  ]);
  expect((await server.run("channel", "create", "prod")).err).toBe(
    "error: there is a channel prod; nix-ota channel set changes it\n",
  );
});

it("pauses and resumes a channel, and touches nothing else of it", async () => {
  await using server = await serving();
  expect((await server.run("channel", "pause", "prod")).out).toBe(
    "channel prod offers nothing until nix-ota channel resume prod\n",
  );
  expect((await server.run("channel", "resume", "prod")).out).toBe(
    "channel prod offers its head again\n",
  );
  expect(
    server.updates.map(({ paused, keys, enrolment }) => ({ paused, keys, enrolment })),
  ).toEqual([
    { paused: true, keys: undefined, enrolment: EnrolmentMode.UNSPECIFIED },
    { paused: false, keys: undefined, enrolment: EnrolmentMode.UNSPECIFIED },
  ]);
});

it.each([
  [["prod"], /nothing to set; give --public-key, --threshold or --enrolment/u],
  [["prod", "--public-key", ONE], /other keys are asked about; without a terminal give --yes/u],
  [["prod", "--threshold", "2", "--yes"], /--threshold "2" is not 1 to 1/u],
  [["lab", "--threshold", "1", "--yes"], /lab has no keys to count; give --public-key/u],
  [["prod", "--enrolment", "closed"], /Allowed choices are open, token, approve/u],
])("channel set %j changes nothing", async (args, sentence) => {
  await using server = await serving();
  const { code, err } = await server.run("channel", "set", ...args);
  expect(code).toBe(2);
  expect(err).toMatch(sentence);
  expect(server.updates).toEqual([]);
});

it("changes how devices come without a question, and keeps the keys", async () => {
  await using server = await serving();
  await server.run("channel", "set", "prod", "--enrolment", "open");
  expect(server.updates).toMatchObject([{ enrolment: EnrolmentMode.OPEN }]);
  expect(server.updates[0]?.keys).toBeUndefined();
});

it("shows other keys before it sets them, all at once", async () => {
  await using server = await serving();
  const keys = ["--public-key", `sign:${ONE}`, "--public-key", `two:${OTHER}`, "--threshold", "2"];
  const { code, err } = await server.run("channel", "set", "prod", ...keys, "--yes");
  expect(code).toBe(0);
  expect(err).toBe(
    [
      "prod: 1 of 1 → 2 of 2 keys sign",
      `    sign:${ONE}`,
      `  + two:${OTHER}`,
      "Devices go on trusting the keys that they pin themselves.",
      "",
    ].join("\n"),
  );
  expect(server.updates).toMatchObject([
    { keys: { threshold: 2, publicKeys: [{ name: "sign" }, { name: "two" }] } },
  ]);
});

it("sets no keys when the person says no", async () => {
  await using server = await serving();
  const host = recordingHost({ terminal: true, env: { NIX_OTA_SERVER: server.url } });
  const options = { publicKey: [OTHER], yes: false, json: false, quiet: false };
  const ask = answeringAsk("no");
  await expect(setChannel("prod", options, host, ask)).rejects.toThrow(/nothing was changed/u);
  expect(ask.questions).toEqual(["Set these keys?"]);
  expect(server.updates).toEqual([]);
});

it("shows what would be recovered, and recovers nothing on a dry run", async () => {
  await using server = await serving();
  const { out } = await server.run("channel", "recover", "prod", "--dry-run");
  expect(out).toBe(
    [
      "RELEASE  TARGET  RETURNED BY  WHEN       SYSTEM",
      "    r43  –       fridge-007   2 min ago  nixos-system-fridge-25.05",
      "",
    ].join("\n"),
  );
  const { out: json } = await server.run("channel", "recover", "prod", "--dry-run", "--json");
  expect(JSON.parse(json)).toMatchObject({
    dryRun: true,
    channel: { headRevision: 42 },
    manifests: [{ revision: 43, deviceId: "fridge-007", target: "" }],
  });
  expect(server.recoveries).toEqual([true, true]);
});

it("recovers after the person typed the channel's name, and says that it is paused", async () => {
  await using server = await serving();
  const host = recordingHost({ terminal: true, env: { NIX_OTA_SERVER: server.url } });
  const options = { dryRun: false, yes: false, json: false, quiet: false };
  const no = answeringAsk("prdo");
  await expect(recoverChannel("prod", options, host, no)).rejects.toThrow(/nothing was recovered/u);
  expect(no.questions).toEqual(["Publish 1 manifest again and pause the channel? prod"]);
  expect(server.recoveries).toEqual([true]);
  await recoverChannel("prod", options, host, answeringAsk("prod"));
  expect(host.out()).toBe(
    "prod is recovered up to r43 and paused; look at it, then nix-ota channel resume prod\n",
  );
  expect(server.recoveries).toEqual([true, true, false]);
});

it("recovers without a terminal only when told --yes", async () => {
  await using server = await serving();
  expect(await server.run("channel", "recover", "prod")).toMatchObject({ code: 2 });
  expect(server.recoveries).toEqual([]);
  expect(await server.run("channel", "recover", "prod", "--yes")).toMatchObject({ code: 0 });
  expect(server.recoveries).toEqual([true, false]);
});
