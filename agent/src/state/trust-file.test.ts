import { expect, test } from "vitest";

import type { CommittedRoot } from "../ports/links.ts";
import { noTrust, withFloor } from "../trust.ts";
import { memoryDisk } from "./memory-disk.testkit.ts";
import { trustFile } from "./trust-file.ts";

const root = (revision: number): CommittedRoot => ({
  channel: "prod",
  revision,
  payloadSha256: `p${revision}`,
  storePath: `/nix/store/r${revision}`,
});
const rooted = (...revisions: number[]) => ({ committedRoots: async () => revisions.map(root) });

test("what was written is read, whatever the roots say", async () => {
  const disk = memoryDisk();
  const trust = withFloor(noTrust, "prod", { revision: 9, payloadSha256: "p9" }, 1);
  await trustFile(disk, "/state", rooted(3)).write(trust);
  expect(await trustFile(disk, "/state", rooted(3)).read()).toEqual(trust);
});

test("a lost trust file does not open the way to replays of what was committed", async () => {
  const { channels } = await trustFile(memoryDisk(), "/state", rooted(7, 3)).read();
  expect(channels["prod"]?.floor).toEqual({ revision: 7, payloadSha256: "p7" });
  expect(channels["prod"]?.committed?.storePath).toBe("/nix/store/r7");
});

test("and whoever may write finds it in the record again, where roots may go", async () => {
  const disk = memoryDisk();
  await trustFile(disk, "/state", rooted(7)).recover();
  const { channels } = await trustFile(disk, "/state", rooted()).read();
  expect(channels["prod"]?.floor).toEqual({ revision: 7, payloadSha256: "p7" });
});

test("who only reads writes nothing", async () => {
  const disk = memoryDisk();
  await trustFile(disk, "/state", rooted(7)).read();
  expect(await trustFile(disk, "/state", rooted()).read()).toEqual(noTrust);
});

test("a device that never committed starts without a floor", async () => {
  expect(await trustFile(memoryDisk(), "/state", rooted()).read()).toEqual(noTrust);
});
