import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";

import type { Device } from "./device.ts";
import { type DiskLayout, powerCutsImpossible } from "./disk-images.ts";
import { Workshop } from "./workshop.ts";

const impossible = await powerCutsImpossible();
const PROFILE = "/nix/var/nix/profiles/system";

describe.each<DiskLayout>(["apart", "together"])("a device with its disks %s", (layout) => {
  let workshop: Workshop;
  let first: string;
  let second: string;
  let golden: Device;
  let copies = 0;

  beforeAll(async () => {
    if (impossible !== undefined) return;
    workshop = await Workshop.open();
    first = await workshop.release({ gen: 0 });
    second = await workshop.release({ gen: 1 });
    golden = await workshop.device("golden", first, { disks: layout });
    await golden.shutDown();
  });
  afterAll(async () => await workshop?.[Symbol.asyncDispose]());
  beforeEach((context) => {
    if (impossible !== undefined) context.skip(impossible);
  });

  const copy = async (): Promise<Device> => {
    copies += 1;
    return await workshop.device(`copy-${copies}`, undefined, { disks: { copyOf: golden.dir } });
  };

  const fetch = async (device: Device): Promise<void> => {
    const from = `file://${workshop.cacheDir}`;
    await device.run(["nix", "copy", "--from", from, "--", second]);
  };

  const whole = async (device: Device): Promise<boolean> => {
    const argv = ["nix", "store", "verify", "--no-trust", "--recursive", "--", second];
    return (await device.exec(argv)).code === 0;
  };

  test("starts where the one that it is a copy of was switched off", async () => {
    await using device = await copy();
    const all = {
      running: first,
      booted: first,
      profile: first,
      bootDefault: first,
      nextBoot: first,
    };
    expect(await device.links()).toEqual(all);
    await device.run(["nix", "store", "verify", "--no-trust", "--all"]);
  });

  test("loses to a power cut what was not synced, of every folder, and nothing else", async () => {
    await using device = await copy();
    const folders = ["/nix/var", "/boot", device.stateDir];
    for (const folder of folders) {
      await device.run(["tee", `${folder}/synced`], { input: "kept" });
      await device.run(["sync", "-f", folder]);
    }
    for (const folder of folders) {
      await device.run(["tee", `${folder}/unsynced`], { input: "lost" });
    }
    await device.cutPower();
    await device.boot();
    for (const folder of folders) {
      expect(await device.run(["cat", `${folder}/synced`])).toBe("kept");
      expect(await device.run(["sh", "-c", `cat ${folder}/unsynced 2>/dev/null || true`])).toBe("");
    }
  });

  test("does not have a closure that nix said was copied, unless it was synced", async () => {
    await using device = await copy();
    await fetch(device);
    expect(await whole(device)).toBe(true);
    await device.cutPower();
    await device.boot();
    expect(await whole(device)).toBe(false);

    await using careful = await copy();
    await fetch(careful);
    await careful.run(["sync", "-f", "/nix/store"]);
    await careful.cutPower();
    await careful.boot();
    expect(await whole(careful)).toBe(true);
  });

  test("forgets where its profile pointed, unless that was synced", async () => {
    await using device = await copy();
    await fetch(device);
    await device.run(["sync", "-f", "/nix/store"]);
    await device.run(["nix-env", "-p", PROFILE, "--set", second]);
    expect((await device.links()).profile).toBe(second);
    await device.cutPower();
    expect((await device.links()).profile).toBe(first);
  });
});
