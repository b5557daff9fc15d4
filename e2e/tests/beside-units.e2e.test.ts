import { randomUUID } from "node:crypto";
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { agentIn, keepsItsPromises, type Laboratory } from "@nix-ota/agent/beside/contract.testkit";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";

import { systemdImpossible } from "../src/systemd-host.ts";
import type { SystemdMachine } from "../src/systemd-machine.ts";
import { Workshop } from "../src/workshop.ts";

const impossible = await systemdImpossible();
const never = new AbortController().signal;

describe("beside the agent, as units of systemd", () => {
  let workshop: Workshop;
  let machine: SystemdMachine;
  let programs: string;

  beforeAll(async () => {
    if (impossible !== undefined) return;
    workshop = await Workshop.open();
    machine = await workshop.systemdMachine("laboratory", undefined, { folders: [] });
    programs = workshop.folder.join("programs");
    await mkdir(programs);
    for (const program of ["systemd-run", "systemctl"]) {
      const enter = `exec nsenter -t ${machine.initPid} -m -u -i -p -r -- ${program} "$@"`;
      await writeFile(
        join(programs, program),
        `#!/bin/sh\nPATH=/usr/bin:/bin:\${PATH}\n${enter}\n`,
      );
      await chmod(join(programs, program), 0o755);
    }
  });
  afterAll(async () => await workshop?.[Symbol.asyncDispose]());
  beforeEach((context) => {
    if (impossible !== undefined) context.skip(impossible);
  });

  /** A folder of the machine that has the same name here. */
  async function laboratory(): Promise<Laboratory> {
    const shared = await mkdtemp(join(tmpdir(), "nix-ota-laboratory-"));
    const dir = join(shared, randomUUID());
    await machine.run(["mkdir", "-p", dir]);
    await symlink(machine.hostPath(dir), dir);
    return {
      supervisor: "systemd",
      dir,
      environment: { PATH: `${programs}:${process.env["PATH"] ?? "/usr/bin:/bin"}` },
      async killWrapper(name) {
        const kill = ["systemctl", "kill", "--signal=KILL", "--kill-who=main"];
        await machine.exec([...kill, `nix-ota-${name}.service`]);
      },
      async [Symbol.asyncDispose]() {
        await machine.run(["rm", "-r", dir]);
        await rm(shared, { recursive: true });
      },
    };
  }

  keepsItsPromises(async () => await laboratory());

  describe("which processes alone cannot keep:", () => {
    test("a run ends with everything, also with what made a session of its own, and leaves no failed unit", async () => {
      await using place = await laboratory();
      const marker = "72901";
      const script = `setsid sleep ${marker} & echo begun; sleep ${marker}`;
      const storePath = await system(place, script);
      const limits = { activation: { limitMs: 1000, beginMs: 1000, graceMs: 500, watchMs: 5 } };
      const { activation } = agentIn(place, limits);
      expect(await activation.run("setsid", { storePath, action: "test" }, never)).toEqual({
        ended: "timed out",
      });
      expect((await machine.exec(["pgrep", "-f", marker])).stdout).toBe("");
      expect(
        await machine.run([
          "systemctl",
          "list-units",
          "--all",
          "--plain",
          "--no-legend",
          "nix-ota-*",
        ]),
      ).toBe("");
    });

    test("what a run prints is in the journal, what a health check prints or is asked is nowhere", async () => {
      await using place = await laboratory();
      const { activation, health } = agentIn(place);
      const storePath = await system(place, "echo said by the switch; exit 1");
      await activation.run("speaks", { storePath, action: "test" }, never);
      await health.check("echo s3cret-word; echo s3cret-word >&2; exit 1", {}, never);
      const journal = async () =>
        await machine.run(["journalctl", "--no-pager", "--all", "--output=verbose"]);
      await expect.poll(journal).toContain("said by the switch");
      expect(await journal()).not.toContain("s3cret-word");
    });

    test("a health check ends with the service of the agent that asked for it", async () => {
      await using place = await laboratory();
      const { dir } = place;
      const inMachine = { supervisor: "systemd", dir, environment: { PATH: "/usr/bin:/bin" } };
      const check = `exec 8> ${dir}/alive; flock 8; sleep 72902`;
      await writeFile(
        join(dir, "agent.mjs"),
        `import { agentIn } from ${JSON.stringify(import.meta.resolve("@nix-ota/agent/beside/contract.testkit"))};
         const { health } = agentIn(${JSON.stringify(inMachine)});
         await health.check(${JSON.stringify(check)}, {}, new AbortController().signal);`,
      );
      const unit = "nix-ota-laboratory.service";
      const agent = [process.execPath, join(dir, "agent.mjs")];
      await machine.run(["systemd-run", "--quiet", "--collect", `--unit=${unit}`, ...agent]);
      const checks = async () => (await machine.exec(["pgrep", "-f", "sleep 72902"])).stdout !== "";
      await expect.poll(checks, { timeout: 30_000 }).toBe(true);
      await machine.run(["systemctl", "kill", "--signal=KILL", unit]);
      await expect.poll(checks, { timeout: 10_000 }).toBe(false);
    });
  });

  async function system({ dir }: Laboratory, script: string): Promise<string> {
    await mkdir(join(dir, "result"));
    await mkdir(join(dir, "system/bin"), { recursive: true });
    const program = join(dir, "system/bin/switch-to-configuration");
    await writeFile(program, `#!/bin/sh\n${script}\n`);
    await chmod(program, 0o755);
    return join(dir, "system");
  }
});
