/** What the journal tells a person at the device. Pure. */
import type { Journal } from "./journal.ts";
import type { ReportedAttempt } from "./reported-event.ts";
import type { ServerNote } from "./server-note.ts";
import { serverSentence } from "./server-note.ts";
import { sentences } from "./states.ts";
import type { Trust } from "./trust.ts";
import { whatItIsAt } from "./what-it-is-at.ts";
import { why } from "./why.ts";

export interface Status {
  readonly deviceId: string;
  readonly channel: string;
  readonly state: string;
  readonly explanation: string;
  /** What it is at and why it does not go on, in one sentence. */
  readonly why: string;
  readonly committedRevision: number;
  readonly floorRevision: number;
  readonly quarantinedRevisions: readonly number[];
  readonly attempt:
    | { readonly id: string; readonly revision: number; readonly storePath: string }
    | undefined;
  readonly lastAttempt: ReportedAttempt | undefined;
  /** The committed revision whose kernel only a reboot brings up; undefined: none waits for one. */
  readonly firstBootRevision: number | undefined;
  /** What a reboot that is still to come waits for; undefined: for nothing, or none is to come. */
  readonly rebootHold: string | undefined;
  /** What the device itself has against an update at this moment; a sentence for each. */
  readonly holds: readonly string[];
  readonly unreportedEvents: number;
  /** What the last report came to, as far as there was one. */
  readonly server: Partial<ServerNote> & { readonly explanation: string };
}

export function statusOf(
  device: { readonly deviceId: string; readonly channel: string },
  records: {
    readonly journal: Journal | undefined;
    readonly trust: Trust;
    readonly holds: readonly string[];
    readonly unreportedEvents: number;
    readonly server: ServerNote | undefined;
  },
): Status {
  const { journal, trust, unreportedEvents } = records;
  const state = journal?.machine.state ?? { name: "idle" };
  const channel = trust.channels[device.channel];
  return {
    deviceId: device.deviceId,
    channel: device.channel,
    state: state.name,
    explanation: journal === undefined ? sentences.idle : whatItIsAt(journal),
    why: why({ deviceId: device.deviceId, journal, server: records.server }),
    committedRevision: channel?.committed?.revision ?? 0,
    floorRevision: channel?.floor.revision ?? 0,
    quarantinedRevisions: trust.quarantine
      .filter((one) => one.channel === device.channel)
      .map(({ revision }) => revision),
    attempt:
      "attempt" in state
        ? {
            id: state.attempt.id,
            revision: state.attempt.revision,
            storePath: state.attempt.storePath,
          }
        : undefined,
    lastAttempt: journal?.last,
    rebootHold: journal?.rebootHold,
    firstBootRevision: journal?.machine.firstBoot?.attempt.revision,
    holds: records.holds,
    unreportedEvents,
    server: { ...records.server, explanation: serverSentence(records.server, device.deviceId) },
  };
}

/** A table of two columns. */
export function printStatus(status: Status): string {
  const { lastAttempt: last, attempt, firstBootRevision: boots, rebootHold } = status;
  const waits = rebootHold === undefined ? "" : `; ${rebootHold}`;
  const rows: readonly (readonly [string, string])[] = [
    ["device", status.deviceId],
    ["channel", status.channel],
    ["state", `${status.state}: ${status.explanation}`],
    ["committed", revision(status.committedRevision)],
    ["floor", revision(status.floorRevision)],
    ...(status.quarantinedRevisions.length > 0
      ? [["quarantined", status.quarantinedRevisions.map(revision).join(", ")] as const]
      : []),
    ...(attempt === undefined
      ? []
      : [["under way", `${revision(attempt.revision)} ${attempt.storePath}`] as const]),
    ...(last === undefined
      ? []
      : [["last attempt", `${revision(last.revision)} ${ending(last)}`] as const]),
    ...(boots === undefined
      ? []
      : [
          [
            "reboot",
            `needed for the kernel of ${revision(boots)}, which proves itself then${waits}`,
          ] as const,
        ]),
    ...status.holds.map((hold) => ["held back", hold] as const),
    ["server", status.server.explanation],
    ["why", status.why],
    ["unreported", `${status.unreportedEvents} events`],
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}\n`).join("");
}

const revision = (number: number) => (number === 0 ? "none" : `r${number}`);

function ending({ outcome, failureCode, rejectCode, message }: ReportedAttempt): string {
  const code = failureCode ?? rejectCode;
  return `${outcome ?? ""}${code === undefined ? "" : ` (${code})`}${message === "" ? "" : `: ${message}`}`;
}
