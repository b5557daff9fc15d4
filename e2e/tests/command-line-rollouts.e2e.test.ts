import { writeFile } from "node:fs/promises";

import { Outcome, FailureCode } from "@nix-ota/proto/nixota/v1/device_pb";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { Fleet } from "../src/fleet.ts";
import { ProcessHandle } from "../src/process-handle.ts";
import { entryFile } from "../src/processes.ts";
import { ReportingDevice } from "../src/reporting-device.ts";
import { finish } from "../src/run-command.ts";

/** What an operator does after a publish: wait for the devices, or go back. */
describe("waiting for a rollout and going back", () => {
  let fleet: Fleet;
  let systems: string[];
  let admin: string[];

  beforeAll(async () => {
    fleet = await Fleet.open();
    const adminFile = fleet.workshop.folder.join("admin-token");
    const oneTime = fleet.workshop.folder.join("server", "first-admin.token");
    const create = ["token", "create", "night", "--scope", "admin", "--scope", "operate:*"];
    const whom = ["--server", fleet.server.url, "--token-file", oneTime];
    await fleet.cliJson(...create, ...whom, "--out", adminFile);
    admin = ["--token-file", adminFile];
    systems = [];
    for (const gen of [1, 2]) systems.push(await fleet.build({ gen, packages: 12, changed: 3 }));
  });

  afterAll(async () => {
    await fleet[Symbol.asyncDispose]();
  });

  const server = (): string[] => ["--server", fleet.server.url, "--token-file", fleet.tokenFile];

  const publishArgv = (channel: string, system: number, ...more: string[]): string[] => [
    "publish",
    ...server(),
    ...["--key", fleet.signingKeyFile, "--channel", channel],
    ...["--store-path", systems[system] ?? "", "--substituter", fleet.own.cache.url],
    ...more,
  ];

  async function join(channel: string, ...names: string[]): Promise<ReportingDevice[]> {
    return Promise.all(
      names.map(async (name) => ReportingDevice.join(fleet.server.url, name, channel)),
    );
  }

  /** `rollout wait --json`, beside the test; it needs neither nix nor a key. */
  async function startWaiting(channel: string, ...more: string[]): Promise<ProcessHandle> {
    const argv = ["rollout", "wait", ...server(), "--channel", channel, "--json", ...more];
    return ProcessHandle.start([process.execPath, entryFile("cli"), ...argv]);
  }

  /** The first document of an event that fits. */
  async function event(
    waiting: ProcessHandle,
    wanted: Record<string, unknown>,
  ): Promise<Record<string, unknown>> {
    const fits = (line: string): Record<string, unknown> | undefined => {
      if (!line.startsWith("{")) return undefined;
      const document = JSON.parse(line) as Record<string, unknown>;
      const same = Object.entries(wanted).every(([key, value]) => document[key] === value);
      return same ? document : undefined;
    };
    return waiting.waitForLine(fits, 30_000);
  }

  test("publish --wait exits 0 when every device has proven the release", async () => {
    const [first, second] = await join("w0", "w0-a", "w0-b");
    const publishing = await fleet.workshop.builder.spawn([
      process.execPath,
      entryFile("cli"),
      ...publishArgv("w0", 0, "--wait", "--json"),
    ]);
    await event(publishing, { event: "progress", expected: 2, outstanding: 2 });
    await first?.attempt(1n, Outcome.UNSPECIFIED);
    await event(publishing, { event: "progress", atWork: 1 });
    await first?.attempt(1n, Outcome.APPLIED);
    await second?.attempt(1n, Outcome.APPLIED);
    const { code, stdout } = await finish(publishing);
    const lines = stdout.trim().split("\n");
    expect(JSON.parse(lines[0] ?? "")).toMatchObject({ outcome: "published", revision: 1 });
    expect(JSON.parse(lines.at(-1) ?? "")).toMatchObject({ event: "end", outcome: "healthy" });
    expect(code).toBe(0);
  });

  test("a device that goes back ends the waiting with 4 and its reason", async () => {
    const [first, second] = await join("w4", "w4-a", "w4-b");
    await fleet.cliJson(...publishArgv("w4", 0));
    const waiting = await startWaiting("w4");
    await event(waiting, { event: "progress", outstanding: 2 });
    await first?.attempt(1n, Outcome.ROLLED_BACK, {
      attempt: { failureCode: FailureCode.HEALTH_FAILED, message: "no answer on port 80" },
    });
    const { code, stderr } = await finish(waiting);
    expect(code).toBe(4);
    expect(stderr).toContain("w4-a: r1 rolled_back: health_failed: no answer on port 80");
    expect(stderr).toContain("error: r1 on w4 failed on 1 of 2 devices");
    const allowed = await startWaiting("w4", "--failures", "50%");
    await event(allowed, { event: "failure", deviceId: "w4-a" });
    await second?.attempt(1n, Outcome.APPLIED);
    expect((await finish(allowed)).code).toBe(0);
  });

  test("devices that are outstanding when the time is over are 5; offline ones by the policy", async () => {
    const [first] = await join("w5", "w5-a", "w5-b");
    await fleet.cliJson(...publishArgv("w5", 0));
    await first?.attempt(1n, Outcome.APPLIED);
    const over = await finish(await startWaiting("w5", "--timeout", "0s"));
    expect(over).toMatchObject({ code: 5 });
    expect(over.stderr).toContain("r1 on w5 is not on 1 device in time");
    // Nobody was seen since this very moment.
    const away = ["--offline-after", "0s", "--timeout", "0s"];
    const ended = async (policy: string) =>
      (await finish(await startWaiting("w5", ...away, "--offline", policy))).code;
    expect([await ended("ignore"), await ended("wait"), await ended("fail")]).toEqual([0, 5, 4]);
  });

  test("an older release is superseded, a wrong command line is 2, an unknown channel 3", async () => {
    await join("w3", "w3-a");
    await fleet.cliJson(...publishArgv("w3", 0));
    await fleet.cliJson(...publishArgv("w3", 1));
    const old = await finish(await startWaiting("w3", "--revision", "1"));
    expect(old).toMatchObject({ code: 4 });
    expect(old.stderr).toContain("r1 on w3 was superseded");
    expect((await finish(await startWaiting("w3", "--timeout", "soon"))).code).toBe(2);
    expect((await finish(await startWaiting("nowhere"))).code).toBe(3);
  });

  test("a paused rollout is told and waited for; an interrupt ends the waiting and nothing else", async () => {
    const [first] = await join("wp", "wp-a");
    await fleet.cliJson(...publishArgv("wp", 0));
    const interrupted = await startWaiting("wp");
    await event(interrupted, { event: "progress", outstanding: 1 });
    interrupted.kill("SIGINT");
    const { code, stderr } = await finish(interrupted);
    expect(code).toBe(1);
    expect(stderr).toContain("the waiting ended; the release goes on");
    const { release } = await fleet.operator.publish.getRelease({ channel: "wp" });
    expect(release?.revision).toBe(1n);
    const rollout = async (verb: string): Promise<unknown> =>
      fleet.cliJson("rollout", verb, "--channel", "wp", "--server", fleet.server.url, ...admin);
    await rollout("pause");
    const waiting = await startWaiting("wp");
    await event(waiting, { event: "state", state: "paused" });
    await rollout("resume");
    await event(waiting, { event: "state", state: "running" });
    await first?.attempt(1n, Outcome.APPLIED);
    expect((await finish(waiting)).code).toBe(0);
  });

  test("rollback publishes what an earlier release holds for all its targets, and names who failed on it", async () => {
    const file = fleet.workshop.folder.join("targets");
    const publishBoth = async (system: number) => {
      await writeFile(file, ["front", "-"].map((name) => `${name} ${systems[system]}`).join("\n"));
      const argv = publishArgv("back", 0, "--targets", file);
      argv.splice(argv.indexOf("--store-path"), 2);
      await fleet.cliJson(...argv);
    };
    await publishBoth(0);
    await publishBoth(1);
    const [failed] = await join("back", "till-9");
    await failed?.report({ quarantinedRevisions: [1n] });
    const rollback = ["rollback", ...server(), "--channel", "back", "--to", "1"];
    const rolled = await fleet.cli(...rollback, "--key", fleet.signingKeyFile, "--json");
    expect(JSON.parse(rolled.stdout)).toMatchObject({
      outcome: "published",
      revision: 3,
      manifests: [
        { target: "", storePath: systems[0], message: "back to r1" },
        { target: "front", storePath: systems[0] },
      ],
    });
    expect(rolled.stderr).toContain(
      "r1 failed on 1 device that will try it again under the higher number: till-9",
    );
    const [before, after] = await Promise.all(
      [1n, 3n].map(async (revision) =>
        fleet.operator.publish.getRelease({ channel: "back", revision }),
      ),
    );
    const digests = (answer: typeof before) =>
      answer?.release?.manifests.map(({ closureDigest }) =>
        Buffer.from(closureDigest).toString("hex"),
      );
    expect(digests(after)).toEqual(digests(before));
    // Once more is nothing to do: devices have it.
    expect(await fleet.cli(...rollback, "--key", fleet.signingKeyFile)).toMatchObject({
      code: 0,
      stdout: "already published as r3 on back\n",
    });
  });

  test("rollback takes nothing from the server that the own key did not sign", async () => {
    await fleet.cliJson(...publishArgv("theirs", 0));
    await fleet.cliJson(...publishArgv("theirs", 1));
    const other = fleet.workshop.folder.join("stranger.key");
    await fleet.cliJson("keygen", "--out", other);
    const rollback = ["rollback", ...server(), "--channel", "theirs", "--to", "1"];
    const refused = await fleet.cli(...rollback, "--key", other);
    expect(refused).toMatchObject({ code: 1, stdout: "" });
    expect(refused.stderr).toContain("your keys do not prove r1 on theirs");
  });
});
