import { beforeEach, describe, expect, test } from "vitest";

import type { Agent } from "../agent.ts";
import { refusedManifest, sampleAttempt } from "../attempt.testkit.ts";
import { testConfig } from "../config.testkit.ts";
import { noContact } from "../contact.ts";
import { knowsNoAttempt } from "../lost-journal.ts";
import { notebookOver } from "../notebook.testkit.ts";
import type { Notebook } from "../notebook.ts";
import type { Ports } from "../ports/ports.ts";
import { noTrust, withCommitted, withFloor, withQuarantined } from "../trust.ts";
import { leaveQuarantined } from "./leave-quarantined.ts";

const never = new AbortController().signal;
const OLD = "/nix/store/old";
const NAMED = "/nix/store/named";
const { channel, revision, payloadSha256, storePath: FAILED } = sampleAttempt;

let notebook: Notebook;
let roots: string[];
beforeEach(async () => {
  roots = [];
  notebook = await notebookOver();
  const floor = withFloor(noTrust, channel, { revision, payloadSha256 }, 0);
  const failed = { channel, revision, payloadSha256, storePath: FAILED };
  await notebook.setTrust(withQuarantined(floor, { ...failed, failure: "HEALTH_FAILED" }));
});

/** What a device does that could not return to a system, which its root keeps. */
async function meets({
  kept = OLD,
  running = FAILED,
  profile = FAILED,
}: Readonly<Record<string, string>>) {
  const answer = async <T>(value: T) => await Promise.resolve(value);
  const generations = [NAMED, OLD, FAILED].map((storePath, at) => ({ number: at + 1, storePath }));
  const ports = {
    links: {
      running: async () => await answer(running),
      booted: async () => await answer(OLD),
      generations: async () => await answer(generations),
      profile: async () => await answer(generations.find(({ storePath }) => storePath === profile)),
      root: async (name: string, storePath: string) => {
        await answer(roots.push(`${name} ${storePath}`));
      },
      rooted: async (name: string) => await answer(name === "return" ? kept : ""),
    },
    chance: { id: () => "feedface" },
  } as unknown as Ports;
  const agent: Agent = { ports, config: testConfig(), notebook, contact: noContact() };
  return await leaveQuarantined(agent, { do: "leaveQuarantined" }, never);
}

describe("a device without a journal that runs what it has in quarantine", () => {
  test("goes back to what its root kept, and says why", async () => {
    expect(await meets({})).toMatchObject({
      on: "quarantinedRuns",
      attempt: { id: "feedface", revision, payloadSha256, storePath: FAILED },
      prev: { running: OLD, profile: OLD, generation: 2 },
      failure: { code: "HEALTH_FAILED", message: expect.stringContaining("journal") as string },
    });
    expect(roots).toEqual([`prev ${OLD}`]);
  });

  test("leaves to the profile what it names, where that is another system", async () => {
    expect(await meets({ profile: NAMED })).toMatchObject({
      prev: { running: OLD, profile: NAMED, generation: 1 },
    });
  });

  test("goes back although a manifest was refused since", async () => {
    await notebook.reject(refusedManifest("refused"));
    expect(await meets({})).toMatchObject({ on: "quarantinedRuns" });
  });

  test("still knows of no attempt once a retry was granted, and of one when it begins", async () => {
    await notebook.record({ on: "retryAsked", revision });
    expect(knowsNoAttempt(notebook.journal)).toBe(true);
    await notebook.record({ on: "accepted", attempt: sampleAttempt });
    expect(knowsNoAttempt(notebook.journal)).toBe(false);
  });

  test("goes back although the generation of that system is gone", async () => {
    expect(await meets({ kept: "/nix/store/gone" })).toMatchObject({
      prev: { running: "/nix/store/gone", generation: 0 },
    });
  });
});

describe("a device goes on as it is", () => {
  test("where no way back is kept: a person switched there", async () => {
    expect(await meets({ kept: "" })).toBeUndefined();
  });

  test("where what runs is the way back itself: what ran was offered, and could not be committed", async () => {
    expect(await meets({ kept: FAILED })).toBeUndefined();
  });

  test("where something else runs", async () => {
    expect(await meets({ running: NAMED })).toBeUndefined();
  });

  test("where what runs is committed", async () => {
    const committed = { revision, payloadSha256, storePath: FAILED };
    await notebook.setTrust(withCommitted(notebook.trust, channel, committed));
    expect(await meets({})).toBeUndefined();
  });

  test("where what is in quarantine failed on another channel", async () => {
    const [failed] = notebook.trust.quarantine;
    if (failed === undefined) throw new Error("nothing is in quarantine");
    await notebook.setTrust(withQuarantined(noTrust, { ...failed, channel: "beta" }));
    expect(await meets({})).toBeUndefined();
  });

  test("where its journal knows of an attempt", async () => {
    await notebook.record({ on: "accepted", attempt: sampleAttempt });
    await notebook.record({ on: "withdrawn", code: "EXPIRED", message: "it expired" });
    expect(await meets({})).toBeUndefined();
  });
});
