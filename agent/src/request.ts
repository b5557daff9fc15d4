/** What people at the device ask of the agent that runs, and what they are told. Pure. */
import type { Journal } from "./journal.ts";
import type { Outcome } from "./outcome.ts";
import type { Generation } from "./ports/links.ts";
import type { ReportedAttempt } from "./reported-event.ts";
import { grantIsSpent } from "./tally.ts";
import type { Tally } from "./tally.ts";
import { isNeverRetried } from "./trust.ts";
import type { Trust } from "./trust.ts";

/**
 * A wish, durable before anybody acts on it. What it leads to is an attempt of the same id, but for the
 * wish to leave one.
 */
export interface Request {
  /** A UUID. */
  readonly id: string;
  readonly wish: Wish;
}

export type Wish =
  /** Leaves what is committed; refused when that is another manifest by then. */
  | { readonly to: "rollback"; readonly payloadSha256: string; readonly generation: number }
  /** Leaves an attempt that waits for its reboot; refused when it waits no more. */
  | { readonly to: "leave"; readonly attempt: string }
  /** Tries the newest verified manifest once more. */
  | { readonly to: "retry"; readonly revision: number }
  /** Takes the bundle that was copied under the id of the request. */
  | { readonly to: "apply" };

/** The end of a request. `status` is what the command exits with. */
export interface Reply {
  readonly status: number;
  /** One sentence. */
  readonly sentence: string;
}

/** Exit statuses of commands, those of `once`. */
export const STATUS = { done: 0, refused: 3, failed: 4, waits: 5, stuck: 6 } as const;

/** A request that is for nothing at this moment. */
export const notNow = (sentence: string): Reply => ({ status: STATUS.waits, sentence });
/** One that can never be met as it stands. */
export const refuse = (sentence: string): Reply => ({ status: STATUS.refused, sentence });

const STATUS_OF_OUTCOME: Record<Outcome, number> = {
  applied: STATUS.done,
  superseded: STATUS.done,
  rejected: STATUS.refused,
  failed: STATUS.failed,
  rolled_back: STATUS.failed,
  interrupted: STATUS.failed,
  external_change: STATUS.failed,
};

/** What came of a request whose attempt has ended. */
export function replyFor(
  wish: Wish,
  ended: ReportedAttempt,
  state: Journal["machine"]["state"],
): Reply {
  const name = `r${ended.revision}`;
  if (state.name === "stuck")
    return { status: STATUS.stuck, sentence: `${name}: ${ended.message}` };
  if (wish.to === "leave" && ended.outcome === "applied")
    return notNow(`${name} was booted and is committed meanwhile; leave it with another rollback`);
  const leaves = wish.to === "rollback" || wish.to === "leave";
  if (leaves && ended.outcome === "rolled_back") {
    return {
      status: STATUS.done,
      sentence: `the device went back from ${name}, which it does not try again by itself; publish a higher revision, or let it in again with \`nix-ota-agent retry\``,
    };
  }
  return {
    status: STATUS_OF_OUTCOME[ended.outcome ?? "failed"],
    sentence: `${name} ended as ${ended.outcome ?? "failed"}: ${ended.message}`,
  };
}

/** What the device is to leave, or why it leaves nothing. */
export function judgeRollback(
  trust: Trust,
  channel: string,
  running: string,
  payloadSha256: string,
): NonNullable<Trust["channels"][string]["committed"]> | Reply {
  const committed = trust.channels[channel]?.committed;
  if (committed === undefined) {
    return refuse(
      `the device has committed nothing on ${channel} that it could leave; switch to another generation by hand`,
    );
  }
  if (payloadSha256 !== committed.payloadSha256) {
    return notNow(
      `r${committed.revision} of ${channel} was committed meanwhile; look again, and ask again if it is to be left`,
    );
  }
  if (running !== committed.storePath) {
    return refuse(
      `${running === "" ? "no system" : running} runs, which is not r${committed.revision} as it was committed; switch by hand, as somebody did before`,
    );
  }
  return committed;
}

/**
 * The generation to go back to.
 *
 * @param wanted its number; 0: the one that was left for what is committed, else the newest other one before it.
 */
export function wayBackOf(
  profile: { readonly current: number; readonly all: readonly Generation[] },
  leaves: string,
  before: string | undefined,
  wanted: number,
): Generation | Reply {
  const others = profile.all.filter(({ storePath }) => storePath !== leaves && storePath !== "");
  const found =
    wanted > 0
      ? others.find(({ number }) => number === wanted)
      : (others.findLast(({ storePath }) => storePath === before) ??
        others.findLast(({ number }) => number < profile.current));
  if (found !== undefined) return found;
  const numbers = others.map(({ number }) => number).join(", ");
  return refuse(
    others.length === 0
      ? "the device has no other generation to go back to; publish an older release anew with `nix-ota rollback`"
      : `the device cannot go back to ${wanted > 0 ? `generation ${wanted}` : "an earlier generation"}; it has ${numbers}, one of which --generation can name`,
  );
}

/** What is to be tried once more, or why it is not. `lifts`: it has to be let in again first. */
export function judgeRetry(
  trust: Trust,
  channel: string,
  tally: Pick<Tally, "payloadSha256" | "granted" | "ends">,
  revision: number,
): { readonly revision: number; readonly payloadSha256: string; readonly lifts: boolean } | Reply {
  const { floor, committed } = trust.channels[channel] ?? {};
  if (floor === undefined)
    return refuse(`no manifest of ${channel} was ever verified here; publish one`);
  const shut = trust.quarantine.filter((one) => one.channel === channel);
  const wanted = revision > 0 ? revision : floor.revision;
  if (wanted !== floor.revision) {
    return refuse(
      `r${wanted} is not the newest that was verified, which is r${floor.revision}, and no device goes below that; publish its content anew with \`nix-ota rollback\``,
    );
  }
  const quarantined = shut.find(({ payloadSha256 }) => payloadSha256 === floor.payloadSha256);
  if (quarantined === undefined) {
    return committed?.payloadSha256 === floor.payloadSha256
      ? refuse(`r${wanted} of ${channel} is committed; there is nothing to try again`)
      : { ...floor, lifts: false };
  }
  if (isNeverRetried(quarantined.failure)) {
    return refuse(
      `r${wanted} failed as ${quarantined.failure}, after which no wish lets it in again; publish a higher revision`,
    );
  }
  if (tally.payloadSha256 === floor.payloadSha256 && grantIsSpent(tally)) {
    return refuse(
      `r${wanted} was let in once more already and failed again; publish a higher revision`,
    );
  }
  return { ...floor, lifts: true };
}
