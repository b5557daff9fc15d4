import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import type { Log } from "../ports/supervision.ts";
import type { OverseerOptions } from "./service-overseer.ts";
import { serviceOverseer, watchdogMs } from "./service-overseer.ts";

const MINUTE = 60_000;

/** An overseer whose messages are answered by hand. */
function overseen(options: Partial<OverseerOptions> = {}) {
  const sent: string[] = [];
  const said: string[] = [];
  const log: Log = (_level, message) => said.push(message);
  let nowMs = 0;
  const overseer = serviceOverseer({
    send: async (assignments) => {
      sent.push(assignments.join(" "));
      return await Promise.resolve(true);
    },
    watchdogMs: undefined,
    clock: { monotonicMs: () => nowMs },
    log,
    ...options,
  });
  const pass = async (ms: number) => {
    for (let passed = 0; passed < ms; passed += 1000) {
      nowMs += 1000;
      await vi.advanceTimersByTimeAsync(1000);
    }
  };
  return { overseer, sent, said, pass };
}

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

describe("systemd as overseer", () => {
  test("hears that the agent is ready, what it does, once, and that it ends", async () => {
    const { overseer, sent } = overseen();
    overseer.doing("nothing under way");
    overseer.ready();
    await vi.advanceTimersByTimeAsync(0);
    overseer.doing("copies the\nclosure");
    await vi.advanceTimersByTimeAsync(0);
    overseer.doing("copies the closure");
    await overseer.ending();
    expect(sent).toEqual([
      "STATUS=nothing under way READY=1",
      "STATUS=copies the closure",
      "STOPPING=1",
    ]);
  });

  test("hears the newest of what happened while it was told something else", async () => {
    const first = Promise.withResolvers<boolean>();
    const sent: string[] = [];
    const { overseer } = overseen({
      send: async (assignments) => {
        sent.push(assignments.join(" "));
        return await first.promise;
      },
    });
    overseer.ready();
    await vi.advanceTimersByTimeAsync(0);
    for (const state of ["accepted", "fetching", "staged"]) overseer.doing(state);
    first.resolve(true);
    await overseer.ending();
    expect(sent).toEqual(["READY=1", "STATUS=staged STOPPING=1"]);
  });

  test("says so when nobody could be told, and goes on", async () => {
    const { overseer, said } = overseen({ send: async () => await Promise.resolve(false) });
    overseer.ready();
    await overseer.ending();
    expect(said.join()).toContain("systemd-notify");
  });

  test("is fed three times in the time of its watchdog for as long as the agent meant to be away", async () => {
    const { overseer, sent, pass } = overseen({ watchdogMs: 3 * MINUTE });
    overseer.comesBy(10 * MINUTE);
    await pass(3 * MINUTE);
    expect(sent).toEqual(["WATCHDOG=1", "WATCHDOG=1", "WATCHDOG=1"]);
    await pass(7 * MINUTE);
    expect(sent.length).toBe(10);
  });

  test("is not fed for an agent that did not come by in time, until it does", async () => {
    const { overseer, sent, said, pass } = overseen({ watchdogMs: 3 * MINUTE });
    overseer.comesBy(MINUTE);
    await pass(6 * MINUTE);
    expect(sent.length).toBe(1);
    expect(said).toEqual(["the agent does not go on and is left to the watchdog"]);
    overseer.comesBy(MINUTE);
    await pass(MINUTE);
    expect(sent.length).toBe(2);
  });

  test("is not fed for ever by an agent that never got to its work", async () => {
    const { sent, pass } = overseen({ watchdogMs: 3 * MINUTE });
    await pass(30 * MINUTE);
    expect(sent.length).toBe(2);
  });

  test("is not fed any more once the agent ends", async () => {
    const { overseer, sent, pass } = overseen({ watchdogMs: 3 * MINUTE });
    overseer.comesBy(60 * MINUTE);
    await overseer.ending();
    await pass(10 * MINUTE);
    expect(sent).toEqual(["STOPPING=1"]);
  });
});

describe("the watchdog of a process", () => {
  test.each([
    [{}, undefined],
    [{ WATCHDOG_USEC: "180000000" }, 180_000],
    [{ WATCHDOG_USEC: "180000000", WATCHDOG_PID: "7" }, 180_000],
    [{ WATCHDOG_USEC: "180000000", WATCHDOG_PID: "8" }, undefined],
    [{ WATCHDOG_USEC: "soon" }, undefined],
    [{ WATCHDOG_USEC: "0" }, undefined],
  ])("of %j lasts %j ms", (environment, ms) => {
    expect(watchdogMs(environment, 7)).toBe(ms);
  });
});
