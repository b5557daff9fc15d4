import { NEVER_RETRIED } from "@nix-ota/proto/retry";

import type { FailureCodeName } from "./failure.ts";

/** Most entries of the quarantine; below the floor none is needed, so it stays far shorter. */
export const QUARANTINE_LIMIT = 32;

export interface ChannelTrust {
  /** Highest manifest ever verified on the channel. Never falls. */
  readonly floor: { readonly revision: number; readonly payloadSha256: string };
  /** The manifest that was committed last. */
  readonly committed?: Committed;
  /** What was committed before that: where leaving it leads. */
  readonly before?: Committed;
}

/** A manifest whose closure proved itself, and that nothing but its own first boot and a person take back. */
export interface Committed {
  readonly revision: number;
  readonly payloadSha256: string;
  readonly storePath: string;
  /** The attempt that wrote this record; absent when the record was recovered. */
  readonly attempt?: string;
}

export interface Quarantined {
  readonly channel: string;
  readonly revision: number;
  readonly payloadSha256: string;
  readonly failure: FailureCodeName;
  /** The system that failed; absent in records that an older agent wrote. */
  readonly storePath?: string;
}

/** What a device must never forget. */
export interface Trust {
  readonly version: 1;
  /** By channel, for each one ever followed. */
  readonly channels: Readonly<Record<string, ChannelTrust>>;
  /** Manifests that failed here, oldest first. */
  readonly quarantine: readonly Quarantined[];
  /** Latest signed time ever verified, seconds since 1970 UTC. */
  readonly signedTimeS: number;
}

export const noTrust: Trust = { version: 1, channels: {}, quarantine: [], signedTimeS: 0 };

/** Raises the floor to a verified manifest. A lower revision changes nothing. */
export function withFloor(
  trust: Trust,
  channel: string,
  floor: ChannelTrust["floor"],
  signedTimeS: number,
): Trust {
  const known = trust.channels[channel];
  const raised =
    known !== undefined && known.floor.revision >= floor.revision ? known : { ...known, floor };
  return {
    ...trust,
    channels: { ...trust.channels, [channel]: raised },
    signedTimeS: Math.max(trust.signedTimeS, signedTimeS),
  };
}

/** What a channel has committed, as a way back keeps it. */
export function committedOf(trust: Trust, channel: string): { readonly committed?: Committed } {
  const committed = trust.channels[channel]?.committed;
  return committed === undefined ? {} : { committed };
}

export function withCommitted(trust: Trust, channel: string, committed: Committed): Trust {
  const { revision, payloadSha256 } = committed;
  const raised = withFloor(trust, channel, { revision, payloadSha256 }, 0);
  const known = raised.channels[channel] ?? { floor: { revision, payloadSha256 } };
  const before = known.committed ?? known.before;
  const next =
    before === undefined || before.payloadSha256 === committed.payloadSha256
      ? { ...known, committed }
      : { ...known, committed, before };
  return { ...raised, channels: { ...raised.channels, [channel]: next } };
}

/**
 * Takes a commit back to what was committed before it; the floor stays. Changes nothing when another
 * manifest is the committed one.
 */
export function withoutCommitted(
  trust: Trust,
  channel: string,
  payloadSha256: string,
  before: Committed | undefined,
): Trust {
  const known = trust.channels[channel];
  if (known?.committed?.payloadSha256 !== payloadSha256) return trust;
  const { committed: _, before: _older, ...rest } = known;
  const back = before === undefined ? rest : { ...rest, committed: before };
  return { ...trust, channels: { ...trust.channels, [channel]: back } };
}

export function withQuarantined(trust: Trust, one: Quarantined): Trust {
  const others = trust.quarantine.filter(
    ({ payloadSha256 }) => payloadSha256 !== one.payloadSha256,
  );
  return { ...trust, quarantine: [...others, one].slice(-QUARANTINE_LIMIT) };
}

/** Whether no wish lets a revision in again that failed so: it is not what was signed for, or not for this device. */
export const isNeverRetried = (failure: FailureCodeName): boolean =>
  (NEVER_RETRIED as readonly FailureCodeName[]).includes(failure);

/** Lets one revision be tried once more, unless a security failure shut it out. */
export function withoutQuarantined(trust: Trust, channel: string, revision: number): Trust {
  return {
    ...trust,
    quarantine: trust.quarantine.filter(
      (one) => one.channel !== channel || one.revision !== revision || isNeverRetried(one.failure),
    ),
  };
}
