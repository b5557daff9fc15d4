import { existsSync } from "node:fs";
import { join } from "node:path";

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";

import { runCommand } from "./run-command.ts";
import { cgroupFolders, systemdImpossible } from "./systemd-host.ts";
import type { SystemdMachine } from "./systemd-machine.ts";
import { Workshop } from "./workshop.ts";

const impossible = await systemdImpossible();

describe("a machine with systemd", () => {
  let workshop: Workshop;
  let first: string;

  beforeAll(async () => {
    if (impossible !== undefined) return;
    workshop = await Workshop.open();
    first = await workshop.release({ gen: 0, agent: "no" });
  });
  afterAll(async () => await workshop?.[Symbol.asyncDispose]());
  beforeEach((context) => {
    if (impossible !== undefined) context.skip(impossible);
  });

  const start = async (machine: SystemdMachine, unit: string, ...argv: string[]) =>
    await machine.run(["systemd-run", "--quiet", `--unit=${unit}`, "--", ...argv]);

  test("runs transient units, which a power-off ends and another boot does not know", async () => {
    await using machine = await workshop.systemdMachine("units");
    expect(await machine.run(["systemctl", "is-system-running"])).toBe("running");
    await start(machine, "sleeper", "sleep", "7011");
    expect(await machine.property("sleeper.service", "ActiveState")).toBe("active");
    const before = await machine.bootId();
    await machine.boot();
    expect(await machine.bootId()).not.toBe(before);
    expect(await machine.property("sleeper.service", "LoadState")).toBe("not-found");
  });

  test("leaves units alone that another machine has under the same name", async () => {
    await using one = await workshop.systemdMachine("one");
    await using other = await workshop.systemdMachine("other");
    for (const machine of [one, other]) await start(machine, "same", "sleep", "7012");
    await one.run(["systemctl", "stop", "same.service"]);
    expect(await other.property("same.service", "ActiveState")).toBe("active");
    await one.powerOff();
    expect(await other.property("same.service", "ActiveState")).toBe("active");
  });

  test("leaves no control group behind", async () => {
    const machine = await workshop.systemdMachine("tidy");
    const groups = (await cgroupFolders()).map((folder) => join(folder, machine.controlGroup));
    expect(groups.map((group) => existsSync(group))).not.toContain(false);
    await machine[Symbol.asyncDispose]();
    expect(groups.map((group) => existsSync(group))).not.toContain(true);
  });

  test("leaves the factory with every link on its first system", async () => {
    await using machine = await workshop.systemdMachine("factory", first);
    expect(await machine.links()).toEqual({
      running: first,
      booted: first,
      profile: first,
      bootDefault: first,
      nextBoot: first,
    });
    expect(await machine.generations()).toEqual({ all: [1], current: 1 });
    await machine.run(["nix", "store", "verify", "--no-trust", "--recursive", "--", first]);
  });

  test("restarts the units that differ in another system, and starts and stops those that come and go", async () => {
    const other = await workshop.release({ gen: 1, agent: "no", failing: ["odd.service"] });
    await using machine = await workshop.systemdMachine("units-of", first);
    const app = async () => [
      await machine.property("app.service", "Description"),
      await machine.property("app.service", "ActiveState"),
    ];
    expect(await app()).toEqual(["Application of generation 0", "active"]);
    await machine.run(["nix", "copy", "--from", `file://${workshop.cacheDir}`, "--", other]);
    const { code } = await machine.exec([`${other}/bin/switch-to-configuration`, "test"]);
    expect(code).toBe(4);
    expect(await app()).toEqual(["Application of generation 1", "active"]);
    expect(await machine.property("odd.service", "ActiveState")).toBe("failed");
    expect((await machine.links()).running).toBe(other);
    await machine.run([`${first}/bin/switch-to-configuration`, "test"]);
    expect(await app()).toEqual(["Application of generation 0", "active"]);
    expect(await machine.property("odd.service", "ActiveState")).toBe("inactive");
  });

  test("loses to a power cut what was written and not synced, and nothing else", async () => {
    await using machine = await workshop.systemdMachine("cut", first, { disk: { mebibytes: 256 } });
    await machine.run(["tee", "/var/lib/synced"], { input: "kept" });
    await machine.run(["sync", "-f", "/var/lib/synced"]);
    await machine.run(["tee", "/var/lib/unsynced"], { input: "lost" });
    await machine.cutPower();
    await machine.boot();
    expect(await machine.run(["cat", "/var/lib/synced"])).toBe("kept");
    expect((await machine.exec(["grep", "lost", "/var/lib/unsynced"])).code).toBeGreaterThan(0);
    expect((await machine.links()).running).toBe(first);
    await machine.run(["nix", "store", "verify", "--no-trust", "--recursive", "--", first]);
  });

  test("ends with a test run that is killed", async () => {
    const dir = workshop.folder.join("orphaned");
    const source = new URL("systemd-machine.ts", import.meta.url).href;
    const { stdout, signal } = await runCommand([
      process.execPath,
      "--input-type=module",
      "-e",
      `import { SystemdMachine } from ${JSON.stringify(source)};
       const machine = await SystemdMachine.create({ dir: ${JSON.stringify(dir)}, name: "orphaned", trustedPublicKeys: [] });
       process.stdout.write(String(machine.initPid), () => process.kill(process.pid, "SIGKILL"));
       await new Promise(() => setInterval(() => undefined, 1000));`,
    ]);
    expect(signal).toBe("SIGKILL");
    expect(Number(stdout)).toBeGreaterThan(1);
    await expect.poll(() => existsSync(`/proc/${stdout}`), { timeout: 20_000 }).toBe(false);
  });
});
