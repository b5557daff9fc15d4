import { create } from "@bufbuild/protobuf";
import { DirectiveSchema } from "@nix-ota/proto/nixota/v1/device_pb";
import { expect, test } from "vitest";

import { DeviceStream } from "./device-stream.ts";
import { FanOut } from "./fan-out.ts";
import { Subscribers } from "./subscribers.ts";

test("a change that nobody listens to leaves it at work for who comes next", async () => {
  const fanOut = new FanOut({
    subscribers: new Subscribers(),
    findFacts: async () =>
      new Map([
        [
          "gw-1",
          {
            device: {
              channel: "prod",
              target: "",
              standing: "accepted" as const,
              system: "",
              floorRevision: 0n,
              committedRevision: 0n,
              quarantinedRevisions: [],
              pinnedRevision: 0n,
              retryRevision: 0n,
            },
            keyEpoch: 1,
            sequence: 0n,
            head: undefined,
          },
        ],
      ]),
    directive: () => create(DirectiveSchema, { nextCheckInMs: 60_000 }),
    versions: () => new Map(),
    onFailure: (error) => {
      throw error;
    },
    batchDevices: 500,
    retryMs: 1,
    rest: async () => undefined,
    monotonicMs: () => 0,
  });
  fanOut.changed(["prod"]);
  const stream = new DeviceStream({
    session: { deviceId: "gw-1", keyEpoch: 1, expiresAtS: 9_999_999_999 },
    reports: false,
    heartbeatMs: 1_000,
    reportsUnderWay: 1,
    after: () => () => undefined,
    decideAgain: (again) => fanOut.decide(again),
    onEnd: () => undefined,
  });
  fanOut.decide(stream);
  const first = await stream.messages().next();
  expect(first.value).toMatchObject({ nextCheckInMs: 60_000 });
  await fanOut.stop();
});
