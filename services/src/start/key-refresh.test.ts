import { expect, test } from "vitest";

import type { Refreshed } from "../access/session-keyring.ts";
import { keyRefresh } from "./key-refresh.ts";

const SAME: Refreshed = { kind: "same" };
const unreadable = (problem: string): Refreshed => ({ kind: "unreadable", problem });

/** What is logged while the keys are read with these outcomes, one after the other. */
async function logOf(...outcomes: readonly (Refreshed | Error)[]): Promise<readonly string[]> {
  const lines: string[] = [];
  const line = (level: string) => (detail: unknown, text?: string) => {
    const problem = (detail as { problem?: string; err?: Error }).problem;
    lines.push([level, text ?? detail, problem].filter(Boolean).join(": "));
  };
  const left = [...outcomes];
  const refresh = async () => {
    const next = left.shift() ?? SAME;
    if (next instanceof Error) throw next;
    return next;
  };
  const log = { info: line("info"), warn: line("warn"), error: line("error") };
  const look = keyRefresh({ refresh }, () => lines.push("key gone"), log as never);
  for (const _ of outcomes) await look();
  return lines;
}

test("what is wrong with the keys is said once, until it changes or ends", async () => {
  await expect(
    logOf(unreadable("no file"), unreadable("no file"), unreadable("short"), SAME, SAME),
  ).resolves.toEqual([
    "error: the session keys stay as they were: no file",
    "error: the session keys stay as they were: short",
    "info: the session keys can be read again",
  ]);
  await expect(logOf(unreadable("no file"), SAME, unreadable("no file"))).resolves.toHaveLength(3);
});

test("a database that does not give its salt is said once", async () => {
  const silent = new Error("no answer");
  await expect(logOf(silent, silent, SAME, silent)).resolves.toEqual([
    "warn: the session keys could not be read again",
    "info: the session keys can be read again",
    "warn: the session keys could not be read again",
  ]);
});

test("keys that are gone end what they opened, keys that are added do not", async () => {
  const changed = (isKeyGone: boolean): Refreshed => ({ kind: "changed", keyCount: 1, isKeyGone });
  await expect(logOf(changed(false), changed(true))).resolves.toEqual([
    "info: session keys changed",
    "info: session keys changed",
    "key gone",
  ]);
});
