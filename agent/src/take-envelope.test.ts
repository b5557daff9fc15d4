import { signManifest } from "@nix-ota/proto";
import { sha256, toBase64, toHex } from "@nix-ota/proto/hash";
import { PUBLIC_KEY, SEED, sampleManifest } from "@nix-ota/proto/sample-manifest.testkit";
import { decodeEnvelope } from "@nix-ota/proto/signed-manifest";
import { beforeEach, describe, expect, test } from "vitest";

import type { Agent } from "./agent.ts";
import { samplePlan, sampleWayBack as prev } from "./attempt.testkit.ts";
import type { Attempt } from "./attempt.ts";
import { testConfig } from "./config.testkit.ts";
import { noContact } from "./contact.ts";
import type { Event } from "./events.ts";
import { notebookOver } from "./notebook.testkit.ts";
import type { Notebook } from "./notebook.ts";
import type { Ports } from "./ports/ports.ts";
import type { StateName } from "./states.ts";
import { takeEnvelope } from "./take-envelope.ts";

const never = new AbortController().signal;
const manifest = sampleManifest();
const envelope = signManifest(manifest, [SEED]);
const opened = decodeEnvelope(envelope);
if (!opened.ok) throw new Error(opened.message);

const attempt: Attempt = {
  id: "aaaaaaaa",
  channel: manifest.channel,
  revision: Number(manifest.revision),
  payloadSha256: toHex(sha256(opened.envelope.payload)),
  storePath: manifest.storePath,
};

let notebook: Notebook;
let agent: Agent;
beforeEach(async () => {
  notebook = await notebookOver();
  const nothing = async () => await Promise.resolve(undefined);
  const ports = {
    host: { system: () => manifest.system },
    clock: {
      wallS: () => Number(manifest.issuedAtS),
      synchronized: async () => await Promise.resolve(true),
    },
    manifests: { write: nothing },
    log: () => undefined,
  } as unknown as Ports;
  const config = testConfig({
    publicKey: toBase64(PUBLIC_KEY),
    fleet: manifest.fleet,
    target: manifest.target,
  });
  agent = { ports, config, notebook, contact: noContact() };
});

/** The moves from an offer on to the wait for a reboot. */
const moves: readonly Event[] = [
  { on: "accepted", attempt },
  { on: "fit" },
  { on: "fetched" },
  { on: "inspected", plan: samplePlan },
  { on: "cleared" },
  { on: "secured", prev },
  { on: "needsReboot" },
];

async function comesTo(name: StateName): Promise<void> {
  for (const event of moves) {
    if (notebook.journal.machine.state.name === name) return;
    await notebook.record(event);
  }
  expect(notebook.journal.machine.state.name).toBe(name);
}

const taken = async (bundled: boolean) =>
  await takeEnvelope(
    agent,
    envelope,
    0,
    { id: "bbbbbbbb", ...(bundled ? { bundled } : {}) },
    never,
  );

describe("a bundle of the release under way", () => {
  test.each(["accepted", "fetching", "staged"] as const)(
    "takes over where the closure may not be whole yet: %s",
    async (name) => {
      await comesTo(name);
      expect(await taken(true)).toMatchObject({
        found: "news",
        event: { on: "superseded", attempt: { id: "bbbbbbbb", bundled: true } },
      });
    },
  );

  test.each(["armed", "activating", "awaitingReboot"] as const)(
    "tears nothing down that is there already: %s",
    async (name) => {
      await comesTo(name);
      expect(await taken(true)).toEqual({ found: "the same" });
    },
  );

  test("does not take over from itself", async () => {
    await notebook.record({ on: "accepted", attempt: { ...attempt, bundled: true } });
    expect(await taken(true)).toEqual({ found: "the same" });
  });
});

test("an offer of the release under way is no news", async () => {
  await comesTo("fetching");
  expect(await taken(false)).toEqual({ found: "the same" });
});
