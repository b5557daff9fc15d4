import { expect, test } from "vitest";

import { fillableDisk } from "../state/memory-disk.testkit.ts";
import { writeSession } from "../state/session-cache.ts";
import { sessionKeeper } from "./session.ts";

const never = new AbortController().signal;

/** A device with a session, which the server need not be asked for. */
async function withSession() {
  const disk = fillableDisk();
  const identity = { serverUrl: "https://ota.example.org", deviceId: "barn" };
  const holder = `${identity.serverUrl} ${identity.deviceId}`;
  await writeSession(disk, "/state", { token: "t", expiresAtS: 0, holder, sequenceCeiling: 5 });
  type Parts = Parameters<typeof sessionKeeper>;
  const start = () =>
    sessionKeeper(
      disk,
      { wallS: () => 0 } as Parts[1],
      "/state",
      identity as Parts[3],
      {} as Parts[4],
    );
  return { disk, start };
}

test("the numbers of reports are durable before they are used, so that no other process has them", async () => {
  const { start } = await withSession();
  const first = start();
  expect([await first.nextSequence(never), first.spare()]).toEqual([6n, { next: 7, end: 1006 }]);
  expect(await start().nextSequence(never)).toBe(1007n);
});

test("a full disk keeps no device from reporting, and what it counted then is nobody else's to use", async () => {
  const { disk, start } = await withSession();
  disk.room = 0;
  const keeper = start();
  expect([await keeper.nextSequence(never), await keeper.nextSequence(never)]).toEqual([6n, 7n]);
  expect(keeper.spare()).toBeUndefined();
  // Whoever comes next asks the server what it has.
  expect(await disk.list("/state")).toEqual([]);
});
