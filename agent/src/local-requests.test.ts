import { describe, expect, test } from "vitest";

import { AgentError } from "./agent-error.ts";
import type { Agent } from "./agent.ts";
import { sampleAttempt } from "./attempt.testkit.ts";
import { testConfig } from "./config.testkit.ts";
import { noContact } from "./contact.ts";
import { heedRequests } from "./local-requests.ts";
import { notebookOver } from "./notebook.testkit.ts";
import type { Ports } from "./ports/ports.ts";
import type { Reply } from "./request.ts";
import { noTrust, withCommitted, withFloor, withQuarantined } from "./trust.ts";

const never = new AbortController().signal;
const OLD = "/nix/store/old";
const { channel, revision, payloadSha256, storePath } = sampleAttempt;

/** What comes of a rollback by hand on a device whose nix says this of the older system. */
async function rollback(
  valid: boolean | undefined,
  root = async () => await Promise.resolve(),
  writes = root,
  signal = never,
) {
  const answer = async <T>(value: T) => await Promise.resolve(value);
  const generations = [OLD, storePath].map((path, at) => ({ number: at + 1, storePath: path }));
  let reply: Reply | undefined;
  const ports = {
    requests: {
      pending: async () =>
        await answer([{ id: "cccccccc", wish: { to: "rollback", payloadSha256, generation: 0 } }]),
      answer: async (_id: string, given: Reply) => {
        await writes();
        reply = given;
      },
    },
    links: {
      running: async () => await answer(storePath),
      booted: async () => await answer(storePath),
      profile: async () => await answer(generations[1]),
      generations: async () => await answer(generations),
      runnable: async () => await answer(true),
      root,
    },
    nix: { isValid: async () => await answer(valid) },
    health: { failedUnits: async () => await answer([]) },
    log: () => undefined,
  } as unknown as Ports;
  const notebook = await notebookOver();
  const committed = { revision, payloadSha256, storePath };
  await notebook.setTrust(withCommitted(noTrust, channel, committed));
  const agent: Agent = { ports, config: testConfig(), notebook, contact: noContact() };
  const again = async () => await heedRequests(agent, signal);
  return { event: await again(), reply: () => reply, again };
}

describe("a rollback by hand", () => {
  test.each([
    ["is whole", true],
    ["is something that nix cannot judge, as on a full disk", undefined],
  ])("goes to a system that %s", async (_what, valid) => {
    const { event } = await rollback(valid);
    expect(event).toMatchObject({
      on: "rollbackAsked",
      attempt: { id: "cccccccc", revision, storePath },
      prev: { running: OLD, profile: OLD, generation: 1 },
    });
  });

  test("is refused, with the remedy, where that system is not whole", async () => {
    const { event, reply } = await rollback(false);
    expect(event).toBeUndefined();
    expect(reply()).toMatchObject({
      status: 3,
      sentence: expect.stringMatching(/generation 1 .* not whole .* --generation/) as string,
    });
  });

  test("is answered, and does not end the agent, where nothing can be written", async () => {
    const full = new AgentError("state", "the root cannot be made", undefined);
    const none = async () => await Promise.reject(full);
    const { event, reply } = await rollback(true, none, async () => await Promise.resolve());
    expect(event).toBeUndefined();
    expect(reply()).toMatchObject({
      status: 5,
      sentence: expect.stringMatching(
        /the root cannot be made; look whether .* ask again/,
      ) as string,
    });
  });

  test("is met once, and answered when there is room, where not even the answer can be written", async () => {
    const full = new AgentError("state", "the answer cannot be written", undefined);
    let room = false;
    let tries = 0;
    const { event, reply, again } = await rollback(
      true,
      async () => {
        tries += 1;
        await Promise.reject(full);
      },
      async () => {
        if (!room) await Promise.reject(full);
      },
    );
    expect([event, reply()]).toEqual([undefined, undefined]);
    await again();
    room = true;
    await again();
    expect(reply()).toMatchObject({ status: 5 });
    expect(tries).toBe(1);
  });

  test("says what a tool said, and what helps", async () => {
    const broken = new AgentError("tool", "sync exited with status 1", undefined);
    const fails = async () => await Promise.reject(broken);
    const { reply } = await rollback(true, fails, async () => await Promise.resolve());
    expect(reply()?.sentence).toBe(
      "sync exited with status 1; look at the log of the device's agent, and ask again",
    );
  });

  test("is left to the next agent by one that was asked to end", async () => {
    const ends = new AbortController();
    const broken = async () => {
      ends.abort();
      await Promise.reject(new AgentError("tool", "sync was ended", undefined));
    };
    const none = async () => await Promise.resolve();
    await expect(rollback(true, broken, none, ends.signal)).rejects.toThrow(/aborted/u);
  });
});

test("a retry that lifted a quarantine says so where the disk is too full to begin", async () => {
  const answer = async <T>(value: T) => await Promise.resolve(value);
  let reply: Reply | undefined;
  const ports = {
    requests: {
      pending: async () => await answer([{ id: "cccccccc", wish: { to: "retry", revision: 0 } }]),
      answer: async (_id: string, given: Reply) => {
        reply = await answer(given);
      },
    },
    manifests: { read: async () => await answer(new Uint8Array(1)) },
    host: {
      system: () => {
        throw new AgentError("state", "nothing can be written", undefined);
      },
    },
    log: () => undefined,
  } as unknown as Ports;
  const notebook = await notebookOver();
  const floor = withFloor(noTrust, channel, { revision, payloadSha256 }, 0);
  const failed = { channel, revision, payloadSha256, storePath };
  await notebook.setTrust(withQuarantined(floor, { ...failed, failure: "HEALTH_FAILED" }));
  await heedRequests({ ports, config: testConfig(), notebook, contact: noContact() }, never);
  expect(notebook.trust.quarantine).toEqual([]);
  expect(reply).toMatchObject({
    status: 5,
    sentence: expect.stringMatching(
      /^r\d+ is let in again, but cannot begin: nothing can be written; look .*, and ask again$/,
    ) as string,
  });
});
