import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  CheckinService,
  type UpdateDevicesRequest,
} from "@nix-ota/proto/nixota/v1/checkin_service_pb";
import { DeviceSchema, DeviceStanding, Outcome } from "@nix-ota/proto/nixota/v1/device_pb";
import { otaError } from "@nix-ota/proto/reason";
import { expect, it } from "vitest";

import { answeringAsk } from "../answering-ask.testkit.ts";
import { httpDouble } from "../http-double.testkit.ts";
import { recordingHost } from "../recording-host.testkit.ts";
import { changeDevices } from "./change.ts";

const KEY = "6kpsY+KcUgq+9VB7Ey7F+ZVHdq6+vnuSQh7qaRRG0iw=";

/** A server whose filters find `found`; `requests` are what it was asked, dry runs included. */
async function serving(found: readonly string[] = [], more = 0) {
  const requests: UpdateDevicesRequest[] = [];
  const server = await httpDouble(({ service }) => {
    service(CheckinService, {
      updateDevices: (request) => {
        requests.push(request);
        if (request.filter.startsWith("bad")) throw otaError("FILTER_INVALID", "no term: bad");
        const ids = request.deviceIds.length > 0 ? request.deviceIds : found;
        return { deviceCount: BigInt(ids.length + more), deviceIds: [...ids] };
      },
      getDevice: ({ deviceId }) => ({
        device: create(DeviceSchema, {
          id: deviceId,
          committedRevision: deviceId === "fresh" ? 0n : 41n,
          attempt: {
            revision: 42n,
            outcome: deviceId === "fresh" ? Outcome.APPLIED : Outcome.ROLLED_BACK,
          },
        }),
      }),
    });
  });
  return Object.assign(server, { requests });
}

const untouched = {
  deviceIds: ["a"],
  filter: "",
  addTags: [],
  removeTags: [],
  pinnedRevision: undefined,
  retryRevision: 0n,
  standing: DeviceStanding.UNSPECIFIED,
  publicKey: new Uint8Array(),
  forget: false,
  dryRun: false,
};

it.each<[string[], Partial<UpdateDevicesRequest>, string]>([
  [
    ["tag", "a", "--add", "kitchen", "--add", "shop", "--remove", "lab"],
    { addTags: ["kitchen", "shop"], removeTags: ["lab"] },
    "1 device is tagged +kitchen +shop -lab: a",
  ],
  [["pin", "a", "--revision", "r7"], { pinnedRevision: 7n }, "1 device is pinned to r7: a"],
  [["pin", "a"], { pinnedRevision: 41n }, "1 device is pinned to r41: a"],
  [["unpin", "a"], { pinnedRevision: 0n }, "1 device is unpinned: a"],
  [["retry", "a"], { retryRevision: 42n }, "1 device is asked to try r42 once more: a"],
  [
    ["retry", "a", "--revision", "9"],
    { retryRevision: 9n },
    "1 device is asked to try r9 once more: a",
  ],
  [["approve", "a"], { standing: DeviceStanding.ACCEPTED }, "1 device is approved: a"],
  [["reject", "a"], { standing: DeviceStanding.REJECTED }, "1 device is rejected: a"],
  [
    ["revoke", "a"],
    { standing: DeviceStanding.REVOKED },
    "1 device is revoked, with their sessions within 15 s: a",
  ],
  [["forget", "a"], { forget: true }, "1 device is forgotten: a"],
  [
    ["rekey", "a", "--public-key", `new:${KEY}`],
    { publicKey: new Uint8Array(Buffer.from(KEY, "base64")) },
    "1 device is known by the other key: a",
  ],
])("device %j asks for that alone and says what became of it", async (args, asked, said) => {
  await using server = await serving();
  expect(await server.run("device", ...args)).toEqual({ code: 0, out: `${said}\n`, err: "" });
  expect(server.requests).toHaveLength(1);
  const { $typeName: _, ...request } = server.requests[0] ?? ({} as UpdateDevicesRequest);
  expect({ ...untouched, ...request }).toEqual({ ...untouched, ...asked });
});

it("shows on a dry run whom it would change, and changes nobody", async () => {
  await using server = await serving(["a", "b"], 3);
  const dry = ["device", "revoke", "--filter", "channel:lab", "--dry-run"];
  expect((await server.run(...dry)).out).toBe(
    "5 devices would be revoked, with their sessions within 15 s: a, b, and 3 more\n",
  );
  expect(JSON.parse((await server.run(...dry, "--json")).out)).toEqual({
    dryRun: true,
    deviceCount: 5,
    deviceIds: ["a", "b"],
  });
  expect(server.requests.map(({ dryRun, filter }) => ({ dryRun, filter }))).toEqual([
    { dryRun: true, filter: "channel:lab" },
    { dryRun: true, filter: "channel:lab" },
  ]);
});

it.each([
  [["forget", "a", "b"], /several devices are asked about; without a terminal give --yes/u],
  [["forget", "--filter", "channel:lab"], /without a terminal give --yes/u],
  [["forget"], /no device is named; give its id, or --filter/u],
  [["forget", "--filter", " "], /an empty --filter would find all devices/u],
  [["forget", "a", "--filter", "tag:x"], /devices and --filter are both given/u],
  [["forget", "A!"], /device "A!" is no name/u],
  [["tag", "a"], /no tag is named; give --add or --remove/u],
  [["tag", "a", "--add", "Kitchen 1"], /--add "Kitchen 1" is no name/u],
  [["pin", "a", "b", "--yes"], /several devices need one revision; give --revision/u],
  [["pin", "fresh"], /fresh runs no release of its channel; give --revision/u],
  [["retry", "fresh"], /fresh failed on nothing last; give --revision/u],
])("device %j changes nothing", async (args, sentence) => {
  await using server = await serving();
  const { code, out, err } = await server.run("device", ...args);
  expect({ code, out }).toEqual({ code: 2, out: "" });
  expect(err).toMatch(sentence);
  expect(server.requests).toEqual([]);
});

it("changes several without a terminal when told --yes, in one call", async () => {
  await using server = await serving(["a", "b"]);
  const { out } = await server.run("device", "approve", "--filter", "standing:pending", "--yes");
  expect(out).toBe("2 devices are approved: a, b\n");
  expect(server.requests.map(({ dryRun, filter }) => [dryRun, filter])).toEqual([
    [false, "standing:pending"],
  ]);
});

/** `forget --filter` at a terminal whose person answers so. */
async function forgetAsking(server: Awaited<ReturnType<typeof serving>>, answer: string) {
  const host = recordingHost({ terminal: true, env: { NIX_OTA_SERVER: server.url, TERM: "dumb" } });
  const ask = answeringAsk(answer);
  const options = { filter: "tag:old", dryRun: false, yes: false, json: false, quiet: false };
  const change: MessageInitShape<typeof CheckinService.method.updateDevices.input> = {
    forget: true,
  };
  const done = changeDevices(
    [],
    options,
    host,
    async () => ({ request: change, past: "forgotten" }),
    ask,
  );
  return { done, host, ask };
}

it("has the person type how many devices it is, and changes exactly those that were shown", async () => {
  await using server = await serving(["a", "b"]);
  const { done, host, ask } = await forgetAsking(server, "2");
  await done;
  expect(ask.questions).toEqual(["Are these the devices? 2"]);
  expect(host.err()).toBe("2 devices would be forgotten: a, b.\n");
  expect(host.out()).toBe("2 devices are forgotten: a, b\n");
  expect(
    server.requests.map(({ dryRun, filter, deviceIds }) => ({ dryRun, filter, deviceIds })),
  ).toEqual([
    { dryRun: true, filter: "tag:old", deviceIds: [] },
    { dryRun: false, filter: "", deviceIds: ["a", "b"] },
  ]);
});

it("changes nothing when the person types anything else", async () => {
  await using server = await serving(["a", "b"]);
  const { done } = await forgetAsking(server, "yes");
  await expect(done).rejects.toThrow("not confirmed; nothing was changed");
  expect(server.requests.map(({ dryRun }) => dryRun)).toEqual([true]);
});

it("asks nothing where a filter finds nobody", async () => {
  await using server = await serving([]);
  const { done, host, ask } = await forgetAsking(server, "0");
  await done;
  expect(ask.questions).toEqual([]);
  expect(host.out()).toBe("nothing to change: no device is met that is not so already\n");
});

it("a filter that cannot be read is refused with where its terms are explained", async () => {
  await using server = await serving();
  expect(await server.run("device", "approve", "--filter", "bad", "--dry-run")).toEqual({
    code: 3,
    out: "",
    err: "error: no term: bad; nix-ota device list --help explains the terms\n",
  });
});
