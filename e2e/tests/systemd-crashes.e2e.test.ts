import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";

import { type Order, SystemdBench } from "../src/systemd-bench.ts";
import { systemdImpossible } from "../src/systemd-host.ts";

const impossible = await systemdImpossible();
const AGENT = "nix-ota-agent.service";
const BOOT = "nix-ota-boot.service";

let bench: SystemdBench;

beforeAll(async () => {
  if (impossible === undefined) bench = await SystemdBench.open();
});
afterAll(async () => await bench?.[Symbol.asyncDispose]());
beforeEach((context) => {
  if (impossible !== undefined) context.skip(impossible);
});

type Cut = readonly [
  order: Order,
  state: string,
  at: "entered" | "leaving",
  boots: "previous" | "new",
];

describe("on the way to a good release", () => {
  let good: string;
  beforeAll(async () => {
    if (impossible === undefined) good = await bench.publish({ gen: 1 }, "good");
  });

  test.each(["fetching", "armed", "activating", "probation", "committing"])(
    "an agent killed in %s is started again by systemd and ends on it",
    async (state) => {
      expect(await killed("prove-first", state)).toEqual(anew);
    },
  );

  // oxfmt-ignore
  test.each<Cut>([
    // order         state         at         boots
    ["prove-first", "activating", "leaving", "previous"],
    ["prove-first", "probation",  "entered", "previous"],
    ["prove-first", "committing", "leaving", "new"],
    ["switch",      "activating", "entered", "previous"],
    ["switch",      "probation",  "entered", "new"],
    ["switch",      "committing", "entered", "new"],
  ])("in the order %s a power cut in %s, %s, boots the %s system and ends on it", async (order, state, at, boots) => {
    const booted = boots === "new" ? good : bench.factory(order);
    expect(await cut(order, state, at)).toEqual({ booted, ...takenUp });
  });
});

describe("on the way back from a bad release", () => {
  let bad: string;
  beforeAll(async () => {
    if (impossible === undefined) bad = await bench.publish({ gen: 2, mode: "fail-health" }, "bad");
  });

  test("an agent killed in rollingBack is started again by systemd and ends on the previous system", async () => {
    expect(await killed("prove-first", "rollingBack")).toEqual(anew);
  });

  // oxfmt-ignore
  test.each<Cut>([
    ["prove-first", "rollingBack", "entered", "previous"],
    ["switch",      "rollingBack", "entered", "new"],
  ])("in the order %s a power cut in %s, %s, boots the %s system and ends on the previous", async (order, state, at, boots) => {
    const booted = boots === "new" ? bad : bench.factory(order);
    expect(await cut(order, state, at)).toEqual({ booted, ...takenUp });
  });
});

const anew = { startedAnew: true, wrong: [] };

async function killed(order: Order, state: string) {
  await using machine = await bench.machine(order, { state, at: "entered" });
  const before = await machine.property(AGENT, "MainPID");
  await bench.restoreUnit(machine);
  await machine.run(["systemctl", "kill", "--kill-who=main", "--signal=KILL", AGENT]);
  const wrong = await bench.wrongAtRest(machine, order);
  return { startedAnew: (await machine.property(AGENT, "MainPID")) !== before, wrong };
}

const takenUp = { takenUpAtBoot: true, wrong: [] };

async function cut(order: Order, state: string, at: "entered" | "leaving") {
  await using machine = await bench.machine(order, { state, at });
  await bench.cutPower(machine);
  const { booted } = await machine.links();
  const takenUpAtBoot = (await machine.journal(BOOT)).includes("taken up");
  return { booted, takenUpAtBoot, wrong: await bench.wrongAtRest(machine, order) };
}
