import { readFile } from "node:fs/promises";

import { afterAll, beforeAll, expect, test } from "vitest";

import { eventually } from "../src/eventually.ts";
import type { FleetDevice } from "../src/fleet-device.ts";
import { Fleet } from "../src/fleet.ts";

let fleet: Fleet;
let fridge: FleetDevice;

beforeAll(async () => {
  fleet = await Fleet.open();
  fridge = await fleet.device("fridge", await fleet.build({ gen: 0 }));
});
afterAll(async () => {
  await fleet[Symbol.asyncDispose]();
});

/** Reports that were sent without the whole agent since it ran last; undefined: it left nothing to that. */
async function quietReports(): Promise<number | undefined> {
  const text = await readFile(`${fridge.device.stateDir}/quiet`, "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  const { nextSequence, endSequence } = JSON.parse(text) as Record<string, number>;
  return 999 - ((endSequence ?? 0) - (nextSequence ?? 0));
}

test("once polls without the whole agent while nothing changes, and is heard", async () => {
  expect((await fridge.once()).code).toBe(0);
  const before = await quietReports();
  const heard = (await fleet.operator.device("fridge"))?.lastSeenAt;
  const polls = [await fridge.once(), await fridge.once()];
  expect(polls.map(({ code }) => code)).toEqual([0, 0]);
  expect((await quietReports()) ?? 0).toBe((before ?? 0) + 2);
  expect((await fleet.operator.device("fridge"))?.lastSeenAt).not.toEqual(heard);
});

test("and takes the next release at once", async () => {
  const storePath = await fleet.build({ gen: 1 });
  await fleet.publish(storePath);
  expect((await fridge.once()).code).toBe(0);
  expect((await fridge.device.links()).running).toBe(storePath);
});

test("a running agent is left alone", async () => {
  await fridge.once();
  await fridge.once();
  expect(await quietReports()).toBeDefined();
  await fridge.startAgent();
  await eventually("no record for quiet polls", async () =>
    (await quietReports()) === undefined ? true : undefined,
  );
  await fridge.stopAgent();
});

test("while a reboot is waited for, the whole agent looks whether it may be made", async () => {
  await fleet.publish(await fleet.build({ gen: 2, kernel: "6.6.31" }));
  for (let starts = 0; starts < 3; starts += 1) await fridge.once();
  expect(await fridge.status()).toMatchObject({ committedRevision: 2, firstBootRevision: 2 });
  expect(await quietReports()).toBeUndefined();
});
