import { beforeEach, describe, expect, test } from "vitest";

import type { Agent } from "./agent.ts";
import { sampleAttempt } from "./attempt.testkit.ts";
import { testConfig } from "./config.testkit.ts";
import { noContact } from "./contact.ts";
import { notebookOver } from "./notebook.testkit.ts";
import type { Notebook } from "./notebook.ts";
import type { Ports } from "./ports/ports.ts";
import { quarantinedRuns } from "./quarantined-runs.ts";
import { noTrust, withCommitted, withFloor, withQuarantined } from "./trust.ts";

const never = new AbortController().signal;
const OLDER = "/nix/store/older";
const OLD = "/nix/store/old";
const { channel, revision, payloadSha256, storePath: FAILED } = sampleAttempt;

let notebook: Notebook;
let rooted: string[];
beforeEach(async () => {
  notebook = await notebookOver();
  const floor = withFloor(noTrust, channel, { revision, payloadSha256 }, 0);
  await notebook.setTrust(
    withQuarantined(floor, {
      channel,
      revision,
      payloadSha256,
      storePath: FAILED,
      failure: "HEALTH_FAILED",
    }),
  );
  rooted = [];
});

type Facts = { running: string; profile: number; booted: string; gone: readonly string[] };

/** A device whose profile has three generations: older, old, and what failed. */
function agent(facts: Partial<Facts> = {}): Agent {
  const { running, profile, booted, gone }: Facts = {
    running: FAILED,
    profile: 2,
    booted: OLD,
    gone: [],
    ...facts,
  };
  const generations = [OLDER, OLD, FAILED].map((storePath, at) => ({ number: at + 1, storePath }));
  const answer = async <T>(value: T) => await Promise.resolve(value);
  const links = {
    running: async () => await answer(running),
    booted: async () => await answer(booted),
    profile: async () => await answer(generations[profile - 1]),
    generations: async () => await answer(generations),
    runnable: async (storePath: string) => await answer(!gone.includes(storePath)),
    root: async (name: string, storePath: string) => {
      rooted.push(`${name} ${storePath}`);
      await Promise.resolve();
    },
  };
  const ports = {
    links,
    nix: { isValid: async () => await answer(undefined) },
    health: { failedUnits: async () => await answer([]) },
    chance: { id: () => "feedface" },
    log: () => undefined,
  } as unknown as Ports;
  return { ports, config: testConfig(), notebook, contact: noContact() };
}

const wayBack = async (facts?: Partial<Facts>) => {
  const event = await quarantinedRuns(agent(facts), never);
  return event?.on === "quarantinedRuns" ? event.prev.running : undefined;
};

describe("a device without a journal that runs what it has in quarantine", () => {
  test("goes back to what its profile names, and says why", async () => {
    expect(await quarantinedRuns(agent(), never)).toMatchObject({
      on: "quarantinedRuns",
      attempt: { id: "feedface", revision, storePath: FAILED },
      prev: { running: OLD, profile: OLD, generation: 2 },
      failure: { code: "HEALTH_FAILED", message: expect.stringContaining("journal") as string },
    });
    expect(rooted).toEqual([`prev ${OLD}`]);
  });

  test("goes back to what was booted where the profile names what failed", async () => {
    expect(await wayBack({ profile: 3, booted: OLDER })).toBe(OLDER);
  });

  test("goes back to the newest other generation where that was booted as well", async () => {
    expect(await wayBack({ profile: 3, booted: FAILED })).toBe(OLD);
  });

  test("goes back to one that is whole", async () => {
    expect(await wayBack({ gone: [OLD] })).toBe(OLDER);
  });

  test("names what it would go back to where none is whole, so that the return finds it gone", async () => {
    expect(await wayBack({ gone: [OLD, OLDER] })).toBe(OLD);
  });

  test("does not go back to another release that failed", async () => {
    const failed = { channel, revision: 7, payloadSha256: "b".repeat(64), storePath: OLD };
    await notebook.setTrust(
      withQuarantined(notebook.trust, { ...failed, failure: "UNITS_FAILED" }),
    );
    expect(await wayBack()).toBe(OLDER);
  });
});

describe("a device goes on as it is", () => {
  test("where something else runs", async () => {
    expect(await wayBack({ running: OLD })).toBeUndefined();
  });

  test("where what runs is committed", async () => {
    const committed = { revision, payloadSha256, storePath: FAILED };
    await notebook.setTrust(withCommitted(notebook.trust, channel, committed));
    expect(await wayBack()).toBeUndefined();
  });

  test("where its journal knows of an attempt: somebody switched since", async () => {
    await notebook.record({ on: "accepted", attempt: sampleAttempt });
    await notebook.record({ on: "withdrawn", code: "EXPIRED", message: "it expired" });
    expect(await wayBack()).toBeUndefined();
  });
});
