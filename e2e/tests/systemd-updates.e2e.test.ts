import { randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";

import { Outcome } from "@nix-ota/proto/nixota/v1/device_pb";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";

import { eventually } from "../src/eventually.ts";
import { Fleet } from "../src/fleet.ts";
import { Operator } from "../src/operator.ts";
import { systemdImpossible } from "../src/systemd-host.ts";
import type { SystemdMachine } from "../src/systemd-machine.ts";
import { TemporaryFolder } from "../src/temporary-folder.ts";

const impossible = await systemdImpossible();
const AGENT = "nix-ota-agent.service";
const CREDENTIAL = "nix-ota.enrolment-token";

describe("an agent under systemd", () => {
  let fleet: Fleet;
  let machine: SystemdMachine;
  let folder: TemporaryFolder;
  let enrolment: { readonly id: string | undefined; readonly secret: string };
  let good: string;

  beforeAll(async () => {
    if (impossible !== undefined) return;
    folder = await TemporaryFolder.create("admin");
    const adminToken = randomBytes(32).toString("hex");
    await writeFile(folder.join("token"), adminToken, { mode: 0o600 });
    fleet = await Fleet.open({
      serverArguments: ["--enrolment", "token", "--admin-token-file", folder.join("token")],
    });
    const { channel, server } = fleet;
    const admin = new Operator(server.url, adminToken);
    const { token, secret } = await admin.access.createEnrolmentToken({ channel });
    enrolment = { id: token?.id, secret };
    const factory = await fleet.buildForSystemd({ gen: 0 }, { enrolmentTokenFile: CREDENTIAL });
    machine = await fleet.workshop.systemdMachine("fridge", factory, {
      files: { [`/etc/credstore/${CREDENTIAL}`]: `${secret}\n` },
    });
  });
  afterAll(async () => {
    await fleet?.[Symbol.asyncDispose]();
    await folder?.[Symbol.asyncDispose]();
  });
  beforeEach((context) => {
    if (impossible !== undefined) context.skip(impossible);
  });

  test("is let in with the token that systemd hands it as a credential, and tells it to nobody", async () => {
    const device = await eventually(
      "the enrolment",
      async () => await fleet.operator.device(machine.name),
      { describe: async () => await machine.journal(AGENT) },
    );
    expect(device.enrolledBy).toBe(`token:${enrolment.id}`);
    const handedOver = `/run/credentials/${AGENT}/${CREDENTIAL}`;
    expect(await machine.run(["stat", "--format=%a %U", handedOver])).toBe("400 root");
    const journal = await machine.journal(AGENT);
    expect(journal).not.toContain(enrolment.secret);
    // No warning of a file that others can read.
    expect(journal).not.toContain("is open to");
    const pid = await machine.property(AGENT, "MainPID");
    const shown = await machine.run(["cat", `/proc/${pid}/environ`, `/proc/${pid}/cmdline`]);
    expect(shown).not.toContain(enrolment.secret);
  });

  test("takes a good release, and hands over to the agent of that when nothing is under way", async () => {
    const before = await machine.property(AGENT, "MainPID");
    expect(await machine.property(AGENT, "StatusText")).toContain("nothing under way");
    good = await fleet.buildForSystemd({ gen: 1, agentVersion: "0.2.0" });
    await fleet.publish(good);
    await comesToRest(["APPLIED"]);
    expect(await machine.links()).toMatchObject({
      running: good,
      profile: good,
      bootDefault: good,
    });
    await eventually("the hand-over", async () => {
      const [pid, state] = await Promise.all(
        ["MainPID", "SubState"].map(async (name) => await machine.property(AGENT, name)),
      );
      return pid !== before && state === "running" ? true : undefined;
    });
    // It ended by itself, once, and nothing of it failed.
    expect(await machine.property(AGENT, "NRestarts")).toBe("1");
    expect(await machine.property(AGENT, "Result")).toBe("success");
    expect(await machine.property(AGENT, "StatusText")).toContain("revision 1 applied");
    expect(await machine.property("app.service", "Description")).toContain("generation 1");
    const journal = await machine.journal(AGENT);
    expect(journal).toContain("accepted → fetching: copies the closure");
    // The switch found another unit of the agent, and left the one that runs alone.
    expect(journal).not.toContain("Stopping");
  });

  test("keeps its own agent at work when a release brings a broken one, or no boot service", async () => {
    const before = await machine.property(AGENT, "MainPID");
    await fleet.publish(await fleet.buildForSystemd({ gen: 2, agent: "broken" }));
    await comesToRest(["APPLIED", "ROLLED_BACK"]);
    expect((await fleet.operator.lastEnded(machine.name))?.failure).toBe("AGENT_UNFIT");
    await fleet.publish(await fleet.buildForSystemd({ gen: 3, agent: "no-boot" }));
    await comesToRest(["APPLIED", "ROLLED_BACK", "FAILED"]);
    expect((await fleet.operator.lastEnded(machine.name))?.failure).toBe("ORPHANED");
    expect(await machine.links()).toMatchObject({
      running: good,
      profile: good,
      bootDefault: good,
    });
    expect(await machine.property(AGENT, "MainPID")).toBe(before);
  });

  test("says at its start that others can read the device's key, and works all the same", async () => {
    const key = `${machine.stateDir}/device.key`;
    await machine.run(["chmod", "640", key]);
    await machine.run(["systemctl", "restart", AGENT]);
    const said = `the device key file ${key} is open to its group (mode 640); close it with: chmod 600 ${key}`;
    expect(await machine.journal(AGENT)).toContain(said);
    await machine.run(["chmod", "600", key]);
  });

  /** Waits until the attempts of the machine have ended so, as the server keeps it, and nothing is under way. */
  async function comesToRest(ends: readonly string[]): Promise<void> {
    const names = Object.entries(Outcome);
    const seen = async () =>
      (await fleet.operator.events(machine.name)).flatMap(({ attempt }) =>
        attempt === undefined || attempt.outcome === Outcome.UNSPECIFIED
          ? []
          : [names.find(([, number]) => number === attempt.outcome)?.[0]],
      );
    await eventually(
      `an end of every attempt of ${machine.name}`,
      async () => ((await seen()).length >= ends.length ? true : undefined),
      { timeoutMs: 90_000, describe: async () => await machine.journal(AGENT) },
    );
    expect(await seen()).toEqual(ends);
  }
});
