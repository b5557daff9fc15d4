import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { PublishService } from "@nix-ota/proto/nixota/v1/publish_service_pb";
import { ReleaseSchema } from "@nix-ota/proto/nixota/v1/release_pb";
import { RolloutState } from "@nix-ota/proto/nixota/v1/rollout_pb";
import { otaError } from "@nix-ota/proto/reason";
import { expect, it } from "vitest";

import { httpDouble } from "../http-double.testkit.ts";
import { NOW_MS } from "../recording-host.testkit.ts";

const RELEASE = create(ReleaseSchema, {
  channel: "prod",
  revision: 42n,
  publishedAt: timestampFromMs(NOW_MS),
  rollout: { state: RolloutState.PAUSED, explanation: "night paused it" },
  outcomes: { applied: 7n, rolledBack: 1n, inProgress: 2n, silent: 1n },
});

/** `asked` are the calls with channel and revision. */
async function serving() {
  const asked: string[] = [];
  const note = (
    call: string,
    { channel, revision }: { channel: string; revision: bigint },
  ): void => {
    asked.push(`${call} ${channel} ${revision}`);
  };
  const server = await httpDouble(({ service }) => {
    service(PublishService, {
      getRelease: (request) => {
        note("get", request);
        if (request.channel !== "prod") throw otaError("CHANNEL_UNKNOWN", "no such channel");
        return { release: RELEASE };
      },
      pauseRollout: (request) => {
        note("pause", request);
        return { rollout: { channel: "prod", revision: 42n, state: RolloutState.PAUSED } };
      },
      resumeRollout: (request) => {
        note("resume", request);
        return { rollout: { channel: "prod", revision: 42n, state: RolloutState.RUNNING } };
      },
      retryFailed: (request) => {
        note("retry", request);
        return { deviceCount: request.revision === 0n ? 0n : 3n };
      },
    });
  });
  return Object.assign(server, { asked });
}

it("says where the rollout of the head stands and how devices fare", async () => {
  await using server = await serving();
  expect((await server.run("rollout", "status", "--channel", "prod")).out).toBe(
    [
      "release  prod r42",
      "state    paused",
      "because  night paused it",
      "devices  7 applied, 2 in progress, 1 rolled back, 1 silent",
      "",
    ].join("\n"),
  );
  const { out } = await server.run("rollout", "status", "--channel", "prod", "--json");
  expect(JSON.parse(out)).toEqual({
    channel: "prod",
    revision: 42,
    publishedAt: new Date(NOW_MS).toISOString(),
    rollout: {
      state: "paused",
      wave: 0,
      waveCount: 0,
      waveBeganAt: null,
      explanation: "night paused it",
    },
    outcomes: {
      applied: 7,
      rolledBack: 1,
      failed: 0,
      inProgress: 2,
      outstanding: 0,
      silent: 1,
    },
  });
  expect(server.asked).toEqual(["get prod 0", "get prod 0"]);
});

it("colours on a terminal what needs a person, and nothing in a pipe", async () => {
  await using server = await serving();
  const status = ["rollout", "status", "prod"];
  expect((await server.runOnTerminal(...status)).out).toContain("\u001b[33mpaused\u001b[39m");
  expect((await server.run(...status)).out).not.toContain("\u001b");
});

it("pauses, resumes and retries the release that is named", async () => {
  await using server = await serving();
  const of = ["--channel", "prod", "--revision", "r42"];
  expect((await server.run("rollout", "pause", ...of)).out).toBe(
    "prod r42 is paused: offered to nobody until nix-ota rollout resume\n",
  );
  expect((await server.run("rollout", "resume", ...of)).out).toBe("prod r42 is running\n");
  expect((await server.run("rollout", "retry", ...of)).out).toBe(
    "3 devices of prod asked to try once more\n",
  );
  expect((await server.run("rollout", "retry", "--channel", "prod")).out).toBe(
    "no device of prod failed; nothing is tried again\n",
  );
  expect(server.asked).toEqual([
    "pause prod 42",
    "resume prod 42",
    "retry prod 42",
    "retry prod 0",
  ]);
});

it("takes the channel as an argument as well, but not two", async () => {
  await using server = await serving();
  await server.run("rollout", "pause", "prod");
  expect(server.asked).toEqual(["pause prod 0"]);
  expect(await server.run("rollout", "pause", "prod", "--channel", "lab")).toEqual({
    code: 2,
    out: "",
    err: "error: prod and --channel lab differ; give one\n",
  });
});

it("asks for a channel where neither the command line nor a context names one", async () => {
  await using server = await serving();
  expect(await server.run("rollout", "pause")).toEqual({
    code: 2,
    out: "",
    err: "error: no channel is named; give --channel, or set one in the context\n",
  });
});

it("a channel that is not there is refused with where to look", async () => {
  await using server = await serving();
  const { code, err } = await server.run("rollout", "status", "--channel", "gone");
  expect({ code, err }).toEqual({
    code: 3,
    err: "error: no such channel; nix-ota channel list shows which there are; the first publish makes one\n",
  });
});
