/** A report in the words of the contract. Pure. */
import { create } from "@bufbuild/protobuf";
import { fromHex } from "@nix-ota/proto/hash";
import {
  AgentState,
  AttemptSchema,
  DeviceEventSchema,
  FailureCode,
  Outcome as WireOutcome,
  ReportSchema,
} from "@nix-ota/proto/nixota/v1/device_pb";
import type { Attempt, DeviceEvent, Report } from "@nix-ota/proto/nixota/v1/device_pb";
import { RejectCode } from "@nix-ota/proto/nixota/v1/manifest_pb";

import type { Outcome } from "./outcome.ts";
import type { ReportedAttempt, ReportedEvent } from "./reported-event.ts";
import type { StateName } from "./states.ts";

/** Events of one report; the contract allows 64, but only 64 KiB for the whole, and each may have 3. */
export const EVENTS_PER_REPORT = 16;

const MAX_MESSAGE_BYTES = 1024;

const wireState: Record<StateName, AgentState> = {
  idle: AgentState.IDLE,
  accepted: AgentState.ACCEPTED,
  fetching: AgentState.FETCHING,
  staged: AgentState.STAGED,
  armed: AgentState.ARMED,
  activating: AgentState.ACTIVATING,
  awaitingReboot: AgentState.AWAITING_REBOOT,
  probation: AgentState.PROBATION,
  committing: AgentState.COMMITTING,
  rollingBack: AgentState.ROLLING_BACK,
  stuck: AgentState.STUCK,
};

const wireOutcome: Record<Outcome, WireOutcome> = {
  applied: WireOutcome.APPLIED,
  rolled_back: WireOutcome.ROLLED_BACK,
  failed: WireOutcome.FAILED,
  interrupted: WireOutcome.INTERRUPTED,
  superseded: WireOutcome.SUPERSEDED,
  external_change: WireOutcome.EXTERNAL_CHANGE,
  rejected: WireOutcome.REJECTED,
};

/** What a report is made of. */
export interface ReportParts {
  readonly deviceId: string;
  readonly bootId: string;
  readonly channel: string;
  readonly target: string;
  readonly state: StateName;
  readonly attempt: ReportedAttempt | undefined;
  readonly links: { readonly running: string; readonly booted: string; readonly profile: string };
  readonly floor: { readonly revision: number; readonly payloadSha256: string };
  readonly committedRevision: number;
  readonly agentVersion: string;
  readonly agentLevel: number;
  readonly pinnedKeyIds: readonly Uint8Array[];
  readonly inventory:
    | {
        readonly hostname: string;
        readonly system: string;
        readonly nixosVersion: string;
        readonly nixVersion: string;
        readonly kernel: string;
        readonly nixFreeBytes: number;
        readonly nixTotalBytes: number;
      }
    | undefined;
  readonly events: readonly ReportedEvent[];
  readonly quarantinedRevisions: readonly number[];
}

export function makeReport(parts: ReportParts): Report {
  const { attempt, inventory, floor } = parts;
  return create(ReportSchema, {
    deviceId: parts.deviceId,
    bootId: parts.bootId,
    channel: parts.channel,
    target: parts.target,
    state: wireState[parts.state],
    ...(attempt === undefined ? {} : { attempt: wireAttempt(attempt) }),
    links: parts.links,
    floor: {
      revision: BigInt(floor.revision),
      payloadSha256: fromHex(floor.payloadSha256) ?? new Uint8Array(),
    },
    committedRevision: BigInt(parts.committedRevision),
    agentVersion: parts.agentVersion,
    agentLevel: parts.agentLevel,
    pinnedKeyIds: [...parts.pinnedKeyIds],
    ...(inventory === undefined
      ? {}
      : {
          inventory: {
            hostname: clip(inventory.hostname, 64),
            system: clip(inventory.system, 32),
            nixosVersion: clip(inventory.nixosVersion, 64),
            nixVersion: clip(inventory.nixVersion, 64),
            kernel: clip(inventory.kernel, 128),
            nixFreeBytes: BigInt(inventory.nixFreeBytes),
            nixTotalBytes: BigInt(inventory.nixTotalBytes),
          },
        }),
    events: parts.events.map(wireEvent),
    quarantinedRevisions: parts.quarantinedRevisions.map(BigInt),
  });
}

function wireAttempt(attempt: ReportedAttempt): Attempt {
  const { fetch } = attempt;
  return create(AttemptSchema, {
    id: attempt.id,
    channel: attempt.channel,
    revision: BigInt(attempt.revision),
    storePath: attempt.storePath,
    state: wireState[attempt.state],
    outcome: attempt.outcome === undefined ? WireOutcome.UNSPECIFIED : wireOutcome[attempt.outcome],
    failureCode: FailureCode[attempt.failureCode ?? "UNSPECIFIED"],
    rejectCode: RejectCode[attempt.rejectCode ?? "UNSPECIFIED"],
    message: clip(attempt.message, MAX_MESSAGE_BYTES),
    ...(fetch === undefined
      ? {}
      : {
          fetch: {
            pathsDone: fetch.pathsDone,
            pathsTotal: fetch.pathsTotal,
            bytesDone: BigInt(fetch.bytesDone),
            bytesTotal: BigInt(fetch.bytesTotal),
          },
        }),
    rebootRequired: attempt.rebootRequired,
    elapsed: {
      seconds: BigInt(Math.floor(attempt.elapsedMs / 1000)),
      nanos: Math.floor(attempt.elapsedMs % 1000) * 1_000_000,
    },
  });
}

function wireEvent(event: ReportedEvent): DeviceEvent {
  return create(DeviceEventSchema, {
    id: event.id,
    occurredAt: { seconds: BigInt(event.occurredAtS), nanos: 0 },
    state: wireState[event.state],
    ...(event.attempt === undefined ? {} : { attempt: wireAttempt(event.attempt) }),
    message: clip(event.message, MAX_MESSAGE_BYTES),
    number: BigInt(event.number),
  });
}

/** At most so many bytes of UTF-8, cut between characters. */
function clip(text: string, limitBytes: number): string {
  const bytes = new TextEncoder().encode(text);
  if (bytes.length <= limitBytes) return text;
  return new TextDecoder().decode(bytes.subarray(0, limitBytes - 3)).replace(/\uFFFD+$/, "");
}
