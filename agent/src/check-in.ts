import { AGENT_LEVEL } from "@nix-ota/proto/agent-level";
import { toHex } from "@nix-ota/proto/hash";
import { keyId } from "@nix-ota/proto/key-file";
import type { Directive, Report } from "@nix-ota/proto/nixota/v1/device_pb";

import type { Agent } from "./agent.ts";
import type { Answer, Server } from "./ports/server.ts";
import { refusedMs } from "./refusal.ts";
import { EVENTS_PER_REPORT, makeReport } from "./report.ts";
import type { ReportParts } from "./report.ts";
import type { ReportedEvent } from "./reported-event.ts";
import { serverNote, tellsTheSame } from "./server-note.ts";
import { AGENT_VERSION } from "./version.ts";
import { lastTold } from "./what-it-is-at.ts";
import { whereRoom } from "./where-room.ts";

/** Reports what is, and what happened; drops what the server acknowledged. Never moves the machine. */
export async function checkIn(
  agent: Agent,
  signal: AbortSignal,
  over: Parameters<Server["checkIn"]>[1] = "whatever is open",
): Promise<Answer<Directive>> {
  const { ports, contact } = agent;
  await agent.notebook.putEvents();
  const inventory = await inventoryOf(agent, signal);
  const described = JSON.stringify({ ...inventory, nixFreeBytes: 0 });
  const report = await reportOf(agent, described === contact.inventory ? undefined : inventory);
  const answer = await ports.server.checkIn(report, over, signal);
  note(agent, answer);
  contact.directive = answer.got === "answer" ? answer.value : undefined;
  await tellStatus(agent, answer);
  if (answer.got !== "answer") {
    ports.log("warn", "the server could not be reported to", {
      got: answer.got,
      why: answer.message,
    });
    return answer;
  }
  contact.inventory = described;
  contact.directedMs = answer.value.nextCheckInMs;
  if (answer.value.acknowledgedEventIds.length > 0)
    await whereRoom(
      ports.log,
      async () => await ports.outbox.drop(answer.value.acknowledgedEventIds),
    );
  const { verdict, serverTime } = answer.value;
  if (serverTime !== undefined)
    contact.clock = { wallS: Number(serverTime.seconds), atMs: ports.clock.monotonicMs() };
  if (verdict.case === "offer") {
    contact.offered = {
      payloadSha256: toHex(verdict.value.payloadSha256),
      atMs: ports.clock.monotonicMs(),
    };
  } else {
    // What is held is offered no more, however shortly before it was.
    contact.offered = undefined;
  }
  return answer;
}

/** Remembers whether the server answered. A refusal proves contact as well. */
export function note({ contact, ports, config }: Agent, answer: Answer<unknown>): void {
  if (answer.got === "silence") {
    contact.misses += 1;
    return;
  }
  contact.answeredAtMs = ports.clock.monotonicMs();
  contact.misses = answer.got === "answer" ? 0 : contact.misses + 1;
  contact.retryAfterMs = answer.got === "refusal" ? answer.retryAfterMs : 0;
  contact.refusedMs =
    answer.got === "refusal" ? refusedMs(answer.reason, config.settings.refused) : 0;
}

/** Keeps what `status` tells. Written when it changes, so that polls cost no write. */
async function tellStatus({ ports }: Agent, answer: Answer<Directive>): Promise<void> {
  const told = serverNote(answer, ports.server.rung(), ports.clock.wallS());
  await whereRoom(ports.log, async () => {
    const before = await ports.serverNotes.read();
    if (before === undefined || !tellsTheSame(before, told)) await ports.serverNotes.write(told);
  });
}

/** What the device says of itself at this moment. */
export async function reportOf(
  { ports, config, notebook }: Agent,
  inventory: ReportParts["inventory"],
): Promise<Report> {
  const { journal, trust } = notebook;
  const channel = trust.channels[config.channel];
  let events: readonly ReportedEvent[] = [];
  await whereRoom(ports.log, async () => {
    events = await ports.outbox.oldest(EVENTS_PER_REPORT);
  });
  const [running, booted, profile] = [
    await ports.links.running(),
    await ports.links.booted(),
    await ports.links.profile(),
  ];
  return makeReport({
    deviceId: config.deviceId,
    bootId: await ports.clock.bootId(),
    channel: config.channel,
    target: config.target,
    state: journal.machine.state.name,
    attempt: notebook.attempt() ?? lastTold(journal),
    links: { running, booted, profile: profile.storePath },
    floor: channel?.floor ?? { revision: 0, payloadSha256: "" },
    committedRevision: channel?.committed?.revision ?? 0,
    agentVersion: AGENT_VERSION,
    agentLevel: AGENT_LEVEL,
    pinnedKeyIds: config.publicKeys.map(keyId),
    inventory,
    events,
    quarantinedRevisions: [
      ...new Set(
        trust.quarantine
          .filter((one) => one.channel === config.channel)
          .map(({ revision }) => revision),
      ),
    ].slice(-32),
  });
}

async function inventoryOf({ ports }: Agent, signal: AbortSignal) {
  const { freeBytes, totalBytes } = await ports.space.free("/nix");
  const running = await ports.links.running();
  return {
    ...(await ports.host.describe(signal)),
    system: ports.host.system(),
    nixosVersion:
      running === "" ? "" : ((await ports.links.systemFile(running, "nixos-version")) ?? "").trim(),
    nixFreeBytes: freeBytes,
    nixTotalBytes: totalBytes,
  };
}
