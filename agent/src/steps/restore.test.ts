import { beforeEach, describe, expect, test } from "vitest";

import { AgentError } from "../agent-error.ts";
import type { Agent } from "../agent.ts";
import { sampleAttempt, sampleWayBack } from "../attempt.testkit.ts";
import type { Attempt } from "../attempt.ts";
import { testConfig } from "../config.testkit.ts";
import { noContact } from "../contact.ts";
import type { RootName } from "../effects.ts";
import { work } from "../effects.ts";
import { initialMachine } from "../machine.ts";
import { notebookOver } from "../notebook.testkit.ts";
import type { Ports } from "../ports/ports.ts";
import { root as rootStep } from "./fetch-closure.ts";
import { restore } from "./restore.ts";

const never = new AbortController().signal;
const FAILED = sampleAttempt.storePath;
const OLD = sampleWayBack.running;

let roots: string[];
beforeEach(() => {
  roots = [];
});

/** What a return does whose way back is not whole in the store: before anything else is touched. */
async function returns(attempt: Attempt) {
  const answer = async <T>(value: T) => await Promise.resolve(value);
  const ports = {
    links: {
      running: async () => await answer(FAILED),
      runnable: async () => await answer(true),
      root: async (name: string, storePath: string) => {
        await answer(roots.push(`${name} ${storePath}`));
      },
    },
    activation: { end: async () => await answer(undefined) },
    nix: { isValid: async () => await answer(false) },
  } as unknown as Ports;
  const notebook = await notebookOver();
  const agent: Agent = { ports, config: testConfig(), notebook, contact: noContact() };
  const entries = { standard: OLD, once: "" };
  const effect = { attempt, prev: sampleWayBack, reach: "all", tries: 0, entries } as const;
  return await restore(agent, { do: "restore", ...effect }, never);
}

test("a return keeps what it leads to, also where that cannot be gone back to yet", async () => {
  expect(await returns(sampleAttempt)).toMatchObject({ on: "prevGone" });
  expect(roots).toEqual([`return ${OLD}`]);
});

describe("a device that was stuck as the attempt began", () => {
  const prev = { ...sampleWayBack, running: "/nix/store/older" };
  const failure = { code: "ROLLBACK_FAILED", message: "it could not be activated" } as const;
  const stuck = { attempt: sampleAttempt, prev, failure };
  const attempt = { ...sampleAttempt, id: "bbbbbbbb", storePath: "/nix/store/r2", stuck };

  test("keeps, on a return, what it was to return to in the first place", async () => {
    await returns({ ...attempt, storePath: FAILED });
    expect(roots).toEqual(["return /nix/store/older"]);
  });

  test("keeps it as well where that return fails, and looks around although its disk is full", async () => {
    const state = { name: "stuck", attempt, prev: sampleWayBack, failure } as const;
    const kept = work({ ...initialMachine, state });
    const root = (name: RootName, storePath: string) =>
      ({ do: "root", name, storePath, ifRoom: true }) as const;
    expect(kept).toEqual([
      root("stuck", attempt.storePath),
      root("return", "/nix/store/older"),
      { do: "lookAround", attempt },
    ]);
    const full = async () =>
      await Promise.reject(new AgentError("state", "it cannot be made a root", undefined));
    const agent = { ports: { links: { root: full }, log: () => undefined } } as unknown as Agent;
    const [first] = kept;
    if (first?.do !== "root") throw new Error("no root comes first");
    expect(await rootStep(agent, first, never)).toBeUndefined();
    const { ifRoom: _, ...needed } = first;
    await expect(rootStep(agent, needed, never)).rejects.toThrow("cannot be made a root");
  });
});
