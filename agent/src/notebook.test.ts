import { describe, expect, test } from "vitest";

import { AgentError } from "./agent-error.ts";
import {
  movesToReboot,
  refusedManifest as refused,
  sampleAttempt,
  samplePlan,
} from "./attempt.testkit.ts";
import { notebookOver } from "./notebook.testkit.ts";
import { judgeRetry } from "./request.ts";
import { fillableDisk, memoryDisk } from "./state/memory-disk.testkit.ts";
import { outbox } from "./state/outbox.ts";
import { noTrust, withFloor, withQuarantined } from "./trust.ts";

/** The notebook of an agent that starts on this disk. */
function starts(disk: ReturnType<typeof memoryDisk>) {
  return { box: outbox(disk, "/state"), start: async () => await notebookOver(disk) };
}

test("a lost journal counts its events on, or the outbox would take them for told ones", async () => {
  const disk = memoryDisk();
  const { box, start } = starts(disk);
  await (await start()).reject(refused("aaaaaaaa"));
  const told = await box.oldest(9);
  await box.drop(told.map(({ id }) => id));
  disk.tear("/state/journal.a");
  await (await start()).reject(refused("bbbbbbbb"));

  const waiting = await box.oldest(9);
  expect(waiting.map(({ number, attempt }) => [number, attempt?.id])).toEqual([[2, "bbbbbbbb"]]);
});

test("an older journal in place of one that decayed counts on as well", async () => {
  const disk = memoryDisk();
  const { box, start } = starts(disk);
  const notebook = await start();
  for (const id of ["aaaaaaaa", "bbbbbbbb"]) await notebook.reject(refused(id));
  const told = await box.oldest(9);
  await box.drop(told.map(({ id }) => id));
  disk.tear("/state/journal.b");
  await (await start()).reject(refused("cccccccc"));

  const waiting = await box.oldest(9);
  expect(waiting.map(({ attempt }) => attempt?.id)).toEqual(["cccccccc"]);
});

test("a lost trust record has its floor back from the attempt under way, and keeps it", async () => {
  const disk = memoryDisk();
  const { start } = starts(disk);
  const floor = { revision: 7, payloadSha256: "a".repeat(64) };
  const attempt = { id: "one", channel: "prod", storePath: "/nix/store/x", ...floor };
  await (await start()).record({ on: "accepted", attempt });
  const resumed = await start();
  expect(resumed.trust.channels).toEqual({ prod: { floor } });
  await resumed.record({ on: "withdrawn", code: "EXPIRED", message: "it expired" });
  expect((await start()).trust.channels).toEqual({ prod: { floor } });
});

test("an attempt that a refusal ended is reported once, though its manifest goes on being offered", async () => {
  const disk = memoryDisk();
  const { box, start } = starts(disk);
  const notebook = await start();
  const floor = { revision: 1, payloadSha256: "a".repeat(64) };
  const attempt = { id: "one", channel: "prod", storePath: "/nix/store/x", ...floor };
  await notebook.record({ on: "accepted", attempt });
  await notebook.record({ on: "withdrawn", code: "EXPIRED", message: "it expired" });
  const told = (await box.oldest(9)).length;
  await notebook.reject({ ...refused("envelope"), rejectCode: "EXPIRED" });
  expect(await box.oldest(9)).toHaveLength(told);
  // Another reason is news.
  await notebook.reject(refused("envelope"));
  expect(await box.oldest(9)).toHaveLength(told + 1);
});

test("a wait for a reboot remembers whether the server answers, and nothing else does", async () => {
  const disk = memoryDisk();
  const { start } = starts(disk);
  const notebook = await start();
  const moves = movesToReboot(sampleAttempt).slice(0, -1);
  for (const event of moves) await notebook.record(event);
  await notebook.setInContact(false);
  expect((await start()).journal.machine.state).toMatchObject({ prev: { inContact: true } });
  await notebook.record({ on: "needsReboot" });
  await notebook.setInContact(false);
  expect((await start()).journal.machine.state).toMatchObject({
    name: "awaitingReboot",
    prev: { inContact: false },
  });
});

test("what a reboot waits for is told with the attempt, and forgotten when it moves on", async () => {
  const disk = memoryDisk();
  const { start } = starts(disk);
  const notebook = await start();
  for (const event of movesToReboot(sampleAttempt)) await notebook.record(event);
  const unasked =
    "the closure is prepared and runs after a reboot; reboot the device when it suits";
  expect(notebook.attempt()?.message).toBe(unasked);
  await notebook.setRebootHold("waits for its window, which opens 2026-11-28T01:00:00Z");
  const again = await start();
  expect(again.attempt()?.message).toBe(
    "the closure is prepared and runs after a reboot; waits for its window, which opens 2026-11-28T01:00:00Z",
  );
  await again.setRebootHold(undefined);
  expect(again.attempt()?.message).toBe(unasked);
  await again.setRebootHold("waits");
  await again.record({ on: "bootedNew" });
  expect(again.journal.rebootHold).toBeUndefined();
});

describe("what was applied and waits for a reboot", () => {
  const attempt = { ...sampleAttempt, storePath: "/nix/store/x" };
  const adopted = async (disk: Parameters<typeof notebookOver>[0]) => {
    const notebook = await notebookOver(disk);
    const plan = { ...samplePlan, order: "adopt" } as const;
    const { storePath } = attempt;
    const prev = {
      running: storePath,
      booted: "/nix/store/w",
      profile: storePath,
      generation: 1,
      inContact: true,
    };
    await notebook.record({ on: "adopted", attempt, plan, prev });
    await notebook.record({ on: "committed", bootId: "boot" });
    return notebook;
  };

  test("says so until the device was rebooted, and never after", async () => {
    const disk = memoryDisk();
    const notebook = await adopted(disk);
    expect(notebook.journal.last).toMatchObject({
      rebootRequired: true,
      message: "runs, is proven, and is what boots next; reboot for its kernel",
    });
    await notebook.forgetReboot("/nix/store/w");
    expect(notebook.journal.last?.rebootRequired).toBe(true);
    await notebook.forgetReboot(attempt.storePath);
    const { last } = (await notebookOver(disk)).journal;
    expect(last).toMatchObject({
      rebootRequired: false,
      message: "runs, is proven, and is what boots next",
    });
  });

  test("is told where the disk is full, and written with the next move", async () => {
    const disk = fillableDisk();
    const notebook = await adopted(disk);
    disk.room = 0;
    await notebook.forgetReboot(attempt.storePath);
    await notebook.setRebootHold("waits for its window");
    const { last, rebootHold } = notebook.journal;
    expect([last?.rebootRequired, rebootHold]).toEqual([false, "waits for its window"]);
    expect((await notebookOver(disk)).journal.last?.rebootRequired).toBe(true);
    disk.room = Number.POSITIVE_INFINITY;
    await notebook.record({ on: "retryAsked", revision: 1 });
    expect((await notebookOver(disk)).journal.last?.rebootRequired).toBe(false);
  });
});

test("events that wait for the outbox are bounded, and those that ended an attempt outlast the others", async () => {
  const disk = fillableDisk("/state/outbox");
  const notebook = await notebookOver(disk);
  disk.room = 0;
  for (let times = 0; times < 20; times += 1) {
    await notebook.record({ on: "accepted", attempt: { ...sampleAttempt, id: `a-${times}` } });
    await notebook.record({ on: "withdrawn", code: "EXPIRED", message: "it expired; publish" });
  }
  const { pending } = notebook.journal;
  expect(pending).toHaveLength(32);
  expect(pending.filter(({ attempt }) => attempt?.outcome !== undefined)).toHaveLength(20);
  disk.room = Number.POSITIVE_INFINITY;
  expect(await notebook.hasUntold()).toBe(true);
  expect(await outbox(disk, "/state").oldest(99)).toEqual(pending);
});

test("a device starts although its outbox cannot be read", async () => {
  const whole = memoryDisk();
  await (await notebookOver(whole)).record({ on: "accepted", attempt: sampleAttempt });
  const list = async (directory: string) => {
    if (directory === "/state/outbox") throw new AgentError("state", "it is damaged", undefined);
    return await whole.list(directory);
  };
  const next = await notebookOver({ ...whole, list });
  expect(next.journal.machine.state.name).toBe("accepted");
});

test("nothing is untold where the outbox cannot be read, and that throws nothing", async () => {
  const whole = memoryDisk();
  const list = async (directory: string) => {
    if (directory === "/state/outbox") throw new AgentError("state", "it is damaged", undefined);
    return await whole.list(directory);
  };
  expect(await (await notebookOver({ ...whole, list })).hasUntold()).toBe(false);
});

test("a retry that was cut short between journal and trust record is let in by the next one", async () => {
  const { channel, revision, payloadSha256, storePath } = sampleAttempt;
  const disk = fillableDisk();
  const notebook = await notebookOver(disk);
  const floor = withFloor(noTrust, channel, { revision, payloadSha256 }, 0);
  const failed = { channel, revision, payloadSha256, storePath };
  await notebook.setTrust(withQuarantined(floor, { ...failed, failure: "HEALTH_FAILED" }));
  const judge = ({ journal, trust }: typeof notebook) =>
    judgeRetry(trust, channel, { ...journal.machine.tally, payloadSha256 }, 0);
  disk.room = 1;
  await expect(notebook.record({ on: "retryAsked", revision })).rejects.toThrow("is full");
  disk.room = Number.POSITIVE_INFINITY;
  const next = await notebookOver(disk);
  expect(next.journal.machine.tally.granted).toBe(1);
  expect(judge(next)).toMatchObject({ revision, lifts: true });
});

test("what led to a return is in quarantine for that, although the return failed as well", async () => {
  const notebook = await notebookOver();
  const healthy = { code: "HEALTH_FAILED", message: "it was sick" } as const;
  const gone = { code: "NO_WAY_BACK", message: "it is gone" } as const;
  for (const event of movesToReboot(sampleAttempt)) await notebook.record(event);
  await notebook.record({ on: "bootedNew" });
  await notebook.record({ on: "unproven", failure: healthy });
  await notebook.record({ on: "prevGone", failure: gone });
  const { revision, payloadSha256, storePath, channel } = sampleAttempt;
  expect(notebook.journal.machine.state.name).toBe("stuck");
  expect(notebook.trust.quarantine).toEqual([
    { channel, revision, payloadSha256, storePath, failure: "HEALTH_FAILED" },
  ]);
});

test("what was applied and waits for its first boot waits no more once another system was booted", async () => {
  const notebook = await notebookOver();
  const attempt = sampleAttempt;
  for (const event of movesToReboot(attempt).slice(0, -1)) await notebook.record(event);
  await notebook.record({ on: "activated" });
  await notebook.record({ on: "proven" });
  await notebook.record({ on: "committed", bootId: "boot" });
  expect(notebook.journal.machine.firstBoot).toBeDefined();
  await notebook.forgetReboot(attempt.storePath);
  expect(notebook.journal.last?.rebootRequired).toBe(true);
  await notebook.record({ on: "bootedThird" });
  expect(notebook.journal.last).toMatchObject({
    rebootRequired: false,
    message: "was applied and is proven, but the device was booted into another system since",
  });
});

test("an event that the outbox cannot take stays in the journal until it can", async () => {
  const disk = fillableDisk("/state/outbox");
  const notebook = await notebookOver(disk);
  disk.room = 0;
  // Neither the move nor a start waits for room to tell of it: a device that goes back has to.
  await notebook.record({ on: "accepted", attempt: sampleAttempt });
  const next = await notebookOver(disk);
  await next.record({ on: "fit" });
  const last = await notebookOver(disk);
  expect(last.journal.machine.state.name).toBe("fetching");
  expect(await outbox(disk, "/state").oldest(9)).toEqual([]);
  disk.room = Number.POSITIVE_INFINITY;
  await last.hasUntold();
  const told = await outbox(disk, "/state").oldest(9);
  expect(told.map(({ number, state }) => [number, state])).toEqual([
    [1, "accepted"],
    [2, "fetching"],
  ]);
});
