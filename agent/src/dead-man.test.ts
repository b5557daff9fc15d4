import { parse } from "valibot";
import { expect, test } from "vitest";

import type { Config } from "./config.ts";
import { fireDeadMan } from "./dead-man.ts";
import type { Ports } from "./ports/ports.ts";
import { settingsSchema } from "./settings.ts";

const never = new AbortController().signal;

/** A device whose attempt has ended. */
const atRest = {
  journal: { read: async () => await Promise.resolve(undefined) },
  clock: { bootId: async () => await Promise.resolve("1") },
  log: () => undefined,
} as unknown as Ports;

const fires = async (startAgain: () => Promise<void>, signal = never) =>
  await fireDeadMan(
    atRest,
    { settings: parse(settingsSchema, {}) } as Config,
    "attempt-1",
    { lock: () => undefined, end: async () => await Promise.resolve(), startAgain },
    signal,
  );

test("a dead-man that finds nothing to do starts the agent: one before it may have ended that", async () => {
  let started = 0;
  const went = await fires(async () => {
    started += 1;
    await Promise.resolve();
  });
  expect([went, started]).toEqual([false, 1]);
});

test("an agent that cannot be started fails the dead-man, which is then tried again", async () => {
  const refused = async () => await Promise.reject(new Error("the manager refuses"));
  await expect(fires(refused)).rejects.toThrow("the manager refuses");
});
