import { expect, test } from "vitest";

import type { Agent } from "../agent.ts";
import { testConfig } from "../config.testkit.ts";
import { noContact } from "../contact.ts";
import { notebookOver } from "../notebook.testkit.ts";
import type { Ports } from "../ports/ports.ts";
import { compareContact } from "./restore.ts";

const never = new AbortController().signal;

/** A device whose link is up after so many milliseconds. */
async function deviceOnAir(
  afterMs: number,
  unasked: { readonly unasked?: true } = {},
): Promise<{ agent: Agent; waitedMs: () => number }> {
  let nowMs = 0;
  const silence = { got: "silence", message: "nobody is there", ...unasked };
  const refusal = { got: "refusal", reason: "unavailable", message: "later", retryAfterMs: 0 };
  const resolved =
    <Value>(value: Value) =>
    async () =>
      await Promise.resolve(value);
  const ports = {
    clock: {
      monotonicMs: () => nowMs,
      wallS: () => 0,
      bootId: resolved("boot"),
      sleep: async (ms: number) => {
        nowMs += ms;
        await Promise.resolve();
      },
    },
    links: { running: resolved(""), booted: resolved(""), profile: resolved({ storePath: "" }) },
    space: { free: resolved({ freeBytes: 1, totalBytes: 2 }) },
    host: { describe: resolved({}), system: () => "x86_64-linux" },
    outbox: { oldest: resolved([]) },
    server: {
      rung: () => "poll",
      checkIn: async () => await Promise.resolve(nowMs >= afterMs ? refusal : silence),
    },
    serverNotes: { read: resolved(undefined), write: resolved(undefined) },
    log: () => undefined,
  } as unknown as Ports;
  const config = testConfig();
  const agent = { ports, config, notebook: await notebookOver(), contact: noContact() };
  return { agent, waitedMs: () => nowMs };
}

const compare = async (agent: Agent, needed: boolean, booted: boolean) =>
  await compareContact(agent, { do: "compareContact", needed, booted }, never);

test("a previous system that came up by a reboot is given the time that a modem takes", async () => {
  const { agent } = await deviceOnAir(200_000);
  expect(await compare(agent, true, true)).toEqual({ on: "restored", inContact: true });
});

test("one that ran all the while has a minute", async () => {
  const { agent, waitedMs } = await deviceOnAir(200_000);
  expect(await compare(agent, true, false)).toEqual({ on: "restored", inContact: false });
  expect(waitedMs()).toBeGreaterThanOrEqual(60_000);
  expect(waitedMs()).toBeLessThan(70_000);
});

test("a silence that nobody accused is not looked into", async () => {
  const { agent, waitedMs } = await deviceOnAir(200_000);
  expect(await compare(agent, false, true)).toEqual({ on: "restored", inContact: true });
  expect(waitedMs()).toBe(0);
});

test("nobody waits for an answer where the server cannot be asked", async () => {
  const { agent, waitedMs } = await deviceOnAir(200_000, { unasked: true });
  expect(await compare(agent, true, true)).toEqual({ on: "restored", inContact: false });
  expect(waitedMs()).toBe(0);
});
