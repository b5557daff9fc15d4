import { beforeEach, describe, expect, test } from "vitest";

import { AgentError } from "./agent-error.ts";
import type { Agent } from "./agent.ts";
import { movesToReboot, sampleAttempt, sampleWayBack as prev } from "./attempt.testkit.ts";
import type { Order, Plan } from "./attempt.ts";
import { testConfig } from "./config.testkit.ts";
import { noContact } from "./contact.ts";
import { keepArmed } from "./dead-man-order.ts";
import type { Event } from "./events.ts";
import { notebookOver } from "./notebook.testkit.ts";
import type { Notebook } from "./notebook.ts";
import type { Ports } from "./ports/ports.ts";

const never = new AbortController().signal;

const attempt = sampleAttempt;
const planOf = (order: Order): Plan => ({
  order,
  rebootRequired: false,
  oneShot: false,
  healthCmd: "",
  healthyBefore: true,
  inspected: { bootId: "boot", ms: 0 },
});

let notebook: Notebook;
let armed: string[];
let looks: number;
beforeEach(async () => {
  notebook = await notebookOver();
  [armed, looks] = [[], 0];
});

function agent(): Agent {
  const deadMan = {
    armed: async () => {
      looks += 1;
      return await Promise.resolve(false);
    },
    arm: async ({ attemptId }: { readonly attemptId: string }) => {
      armed.push(attemptId);
      return await Promise.resolve(undefined);
    },
  };
  const ports = { deadMan, log: () => undefined } as unknown as Ports;
  return { ports, config: testConfig(), notebook, contact: noContact() };
}

describe("a dead-man is armed for an attempt that begins", () => {
  const failure = { code: "HEALTH_FAILED", message: "it was sick" } as const;
  // oxfmt-ignore
  const begins: readonly (readonly [what: string, event: Event])[] = [
    ["with the first boot of what is committed",       { on: "firstBoot", attempt, plan: planOf("boot"), prev }],
    ["with a boot loader that fell back",              { on: "fellBack", attempt, plan: planOf("boot"), prev }],
    ["with a system that runs and nobody proved",      { on: "unprovenRuns", attempt, plan: planOf("adopt"), prev }],
    ["with what is in quarantine and runs",            { on: "quarantinedRuns", attempt, plan: planOf("switch"), prev, failure }],
    ["with a person who goes back",                    { on: "rollbackAsked", attempt, plan: planOf("switch"), prev }],
  ];

  test.each(begins)("%s, once", async (_what, event) => {
    const keep = keepArmed(agent());
    await keep(never);
    expect(armed).toEqual([]);
    await notebook.record(event);
    for (let times = 0; times < 3; times += 1) await keep(never);
    expect({ armed, looks }).toEqual({ armed: [attempt.id], looks: 1 });
  });
});

test("an attempt that arms it by itself is not even looked at", async () => {
  const keep = keepArmed(agent());
  const events: readonly Event[] = [
    { on: "accepted", attempt },
    { on: "fit" },
    { on: "fetched" },
    { on: "inspected", plan: planOf("prove-first") },
    { on: "cleared" },
    { on: "secured", prev },
    { on: "activated" },
  ];
  for (const event of events) {
    await notebook.record(event);
    await keep(never);
  }
  expect(notebook.journal.machine.state.name).toBe("probation");
  expect(looks).toBe(0);
});

test("one is armed anew for the return of an attempt that waited for its reboot", async () => {
  const keep = keepArmed(agent());
  const plan = planOf("boot");
  const asked: Event = { on: "rollbackAsked", attempt, plan, prev };
  for (const event of [...movesToReboot(attempt, plan, prev), asked]) {
    await notebook.record(event);
    await keep(never);
  }
  expect(notebook.journal.machine.state.name).toBe("rollingBack");
  expect(armed).toEqual([attempt.id]);
});

const full = new AgentError("state", "no space for the marker", undefined);
const mute = new AgentError("tool", "the service manager does not answer", undefined);

test.each([
  ["armed for want of space", async () => await Promise.resolve(false), full],
  ["seen", async () => await Promise.reject(mute), mute],
])("an attempt goes on where the dead-man cannot be %s", async (_how, looked, cause) => {
  const deadMan = { armed: looked, arm: async () => await Promise.reject(cause) };
  const said: string[] = [];
  const log = (_level: string, message: string) => void said.push(message);
  const ports = { deadMan, log } as unknown as Ports;
  await notebook.record({ on: "rollbackAsked", attempt, plan: planOf("switch"), prev });
  await keepArmed({ ...agent(), ports })(never);
  expect(said).toEqual([`the dead-man could not be armed: ${cause.message}`]);
});

test("one that is armed already is not armed once more", async () => {
  await notebook.record({ on: "rollbackAsked", attempt, plan: planOf("switch"), prev });
  const one = agent();
  const deadMan = { ...one.ports.deadMan, armed: async () => await Promise.resolve(true) };
  await keepArmed({ ...one, ports: { ...one.ports, deadMan } })(never);
  expect(armed).toEqual([]);
});

test("what is only to be recorded has nothing to go back to, and no dead-man", async () => {
  const keep = keepArmed(agent());
  await notebook.record({ on: "adopted", attempt, plan: planOf("adopt"), prev });
  await keep(never);
  expect(armed).toEqual([]);
});
