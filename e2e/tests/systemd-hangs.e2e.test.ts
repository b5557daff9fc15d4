import { FailureCode, Outcome } from "@nix-ota/proto/nixota/v1/device_pb";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";

import { eventually } from "../src/eventually.ts";
import { SystemdBench } from "../src/systemd-bench.ts";
import { systemdImpossible } from "../src/systemd-host.ts";
import type { SystemdMachine } from "../src/systemd-machine.ts";

const impossible = await systemdImpossible();
const AGENT = "nix-ota-agent.service";

/** An attempt that is not proven 18 s after it began is overdue. */
const SHORT = {
  activation: { limitMs: 12_000, graceMs: 500, watchMs: 20, busyTries: 5, busyWaitMs: 200 },
  probation: { limitMs: 4_000, runMs: 3_000, passIntervalMs: 200 },
  deadMan: { marginMs: 1_000, graceMs: 2_000, retryMs: 500 },
};

describe("where the agent hangs or does not come up", () => {
  let bench: SystemdBench;

  beforeAll(async () => {
    if (impossible !== undefined) return;
    bench = await SystemdBench.open(SHORT);
  });
  afterAll(async () => await bench?.[Symbol.asyncDispose]());
  beforeEach((context) => {
    if (impossible !== undefined) context.skip(impossible);
  });

  test("the watchdog kills one that stands still, and systemd starts it again", async () => {
    await using machine = await bench.machine("prove-first", { watchdogS: 10 });
    const before = await machine.property(AGENT, "MainPID");
    await machine.run(["kill", "-STOP", before]);
    await eventually("another agent", async () => {
      const [pid, state] = await Promise.all(
        ["MainPID", "SubState"].map(async (name) => await machine.property(AGENT, name)),
      );
      return pid !== before && state === "running" ? true : undefined;
    });
    expect(await machine.journal(AGENT)).toContain("Watchdog timeout");
  });

  describe("in the middle of an update", () => {
    beforeAll(async () => {
      if (impossible === undefined) await bench.publish({ gen: 1 }, "good");
    });

    test("the dead-man ends one that hangs, goes back, and has it started again", async () => {
      await using machine = await bench.machine("prove-first", {
        state: "probation",
        at: "entered",
      });
      const before = await machine.property(AGENT, "MainPID");
      await bench.restoreUnit(machine);
      // What was merely overdue is tried once more.
      expect(await bench.wrongAtRest(machine, "prove-first", "ROLLED_BACK")).toEqual([]);
      expect(await failures(machine)).toEqual(["OVERDUE"]);
      expect(await machine.property(AGENT, "MainPID")).not.toBe(before);
    });

    test("the dead-man that the boot service armed goes back by the previous agent when none goes on", async () => {
      await using machine = await bench.machine("switch", { state: "probation", at: "entered" });
      await bench.cutPower(machine, "none");
      const factory = bench.factory("switch");
      expect((await machine.links()).booted).not.toBe(factory);
      await eventually(
        "the return",
        async () => {
          const { running, profile, bootDefault } = await machine.links();
          return [running, profile, bootDefault].every((path) => path === factory)
            ? true
            : undefined;
        },
        { timeoutMs: 120_000, describe: async () => await machine.journal("nix-ota-*") },
      );
      // What came of it is told when an agent comes up again.
      await bench.restoreUnit(machine);
      // Not waited for: the dead-man may hold the lock a moment longer, and then the next start is it.
      await machine.run(["systemctl", "restart", "--no-block", AGENT]);
      expect(await bench.wrongAtRest(machine, "switch", "ROLLED_BACK")).toEqual([]);
      expect(await failures(machine)).toEqual(["OVERDUE"]);
    });
  });

  /** Failures of attempts that ended, as the server keeps them. */
  async function failures({ name }: SystemdMachine): Promise<(string | undefined)[]> {
    const names = Object.entries(FailureCode);
    return (await bench.fleet.operator.events(name)).flatMap(({ attempt }) =>
      attempt?.outcome === Outcome.ROLLED_BACK
        ? [names.find(([, number]) => number === attempt.failureCode)?.[0]]
        : [],
    );
  }
});
