import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, expect, test } from "vitest";

import { deviceKey } from "./device-key.ts";
import { memoryDisk } from "./memory-disk.testkit.ts";
import { nodeDisk } from "./node-disk.ts";

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "nix-ota-key-"));
});
afterEach(async () => {
  await rm(dir, { recursive: true });
});

test("is made once, for its owner's eyes only, and read ever after", async () => {
  const seed = await deviceKey(nodeDisk, dir, "fridge", () => new Uint8Array(32).fill(7));
  expect((await stat(join(dir, "device.key"))).mode & 0o777).toBe(0o600);
  const again = await deviceKey(nodeDisk, dir, "fridge", () => new Uint8Array(32).fill(8));
  expect(again).toEqual(seed);
});

test("is never replaced when it is damaged: another key would be a stranger to the server", async () => {
  const disk = memoryDisk();
  await disk.writeDurably("/state", "device.key", new TextEncoder().encode("garbage"), 0o600);
  await expect(deviceKey(disk, "/state", "fridge", () => new Uint8Array(32))).rejects.toThrow(
    /damaged/,
  );
});
