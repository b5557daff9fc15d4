import { expect, test } from "vitest";

import { AgentError } from "./agent-error.ts";
import type { Agent } from "./agent.ts";
import { sampleAttempt } from "./attempt.testkit.ts";
import { checkIn } from "./check-in.ts";
import { testConfig } from "./config.testkit.ts";
import { noContact } from "./contact.ts";
import { notebookOver } from "./notebook.testkit.ts";
import type { Ports } from "./ports/ports.ts";
import { fillableDisk } from "./state/memory-disk.testkit.ts";
import { outbox } from "./state/outbox.ts";

const never = new AbortController().signal;

test("a report tells what the disk had no room for until now, and needs none itself", async () => {
  const noRoom = new AgentError("state", "it cannot be written", undefined);
  const disk = fillableDisk("/state/outbox");
  disk.room = 0;
  const notebook = await notebookOver(disk);
  await notebook.record({ on: "accepted", attempt: sampleAttempt });
  disk.room = 1;
  const told: number[] = [];
  const answer = async <T>(value: T) => await Promise.resolve(value);
  const link = async () => await answer("/nix/store/r0");
  const ports = {
    outbox: { ...outbox(disk, "/state"), drop: async () => await Promise.reject(noRoom) },
    space: { free: async () => await answer({ freeBytes: 0, totalBytes: 0 }) },
    links: {
      running: link,
      booted: link,
      profile: async () => await answer({ number: 1, storePath: "/nix/store/r0" }),
      systemFile: async () => await answer(undefined),
    },
    host: { describe: async () => await answer({}), system: () => "x86_64-linux" },
    clock: { bootId: async () => await answer("boot"), wallS: () => 0, monotonicMs: () => 0 },
    server: {
      rung: () => "poll",
      checkIn: async ({ events }: { readonly events: readonly unknown[] }) => {
        told.push(events.length);
        const value = {
          acknowledgedEventIds: ["one"],
          nextCheckInMs: 0,
          verdict: { case: "hold", value: { reason: 0, explanation: "" } },
        };
        return await answer({ got: "answer", value });
      },
    },
    serverNotes: {
      read: async () => await answer(undefined),
      write: async () => await Promise.reject(noRoom),
    },
    log: () => undefined,
  } as unknown as Ports;
  const agent: Agent = { ports, config: testConfig(), notebook, contact: noContact() };
  expect(await checkIn(agent, never)).toMatchObject({ got: "answer" });
  expect(told).toEqual([1]);
  disk.list = async () => await Promise.reject(noRoom);
  expect(await checkIn(agent, never)).toMatchObject({ got: "answer" });
  expect(told).toEqual([1, 0]);
});
