/**
 * What must hold of a device at rest, whatever met it. Pure: it judges a picture, so that each rule
 * can be seen to fail.
 */
import type { State } from "@nix-ota/agent/states";
import { type Attempt, Outcome, AgentState } from "@nix-ota/proto/nixota/v1/device_pb";

import { nameOf } from "../src/operator.ts";
import type { Ending } from "./picture.ts";

/** Where a device came to rest. */
export type Where =
  /** The offered system runs, is proven, and boots next. */
  | "new"
  /** The system of before. */
  | "previous"
  /** The system that an administrator switched to. */
  | "by hand"
  /** Neither forward nor back worked, and the device says so. */
  | "stuck"
  /** None of these: running system, profile and boot default do not belong together. */
  | "broken";

/** Activations of one revision: two by itself, one more where contact was lost. */
const MOST_ACTIVATIONS = 3;

/** Every rule that is broken, as sentences; empty: all hold. */
export function violations(ending: Ending): string[] {
  return [
    ...restsWell(ending),
    ...neverFalls(ending),
    ...tellsOnce(ending),
    ...leaksNothing(ending),
    ...ending.noticed,
  ];
}

/** 1: running system, profile and boot default all new and committed, or all as before, or stuck. */
export function whereIs({ picture, systems }: Ending): Where {
  const { running, profile, bootDefault, journal } = picture;
  if (journal?.machine.state.name === "stuck") return "stuck";
  const committed = Object.values(picture.trust.channels).some(
    (channel) => channel.committed?.storePath === running,
  );
  if (running === null || running !== profile || running !== bootDefault) return "broken";
  if (running === systems.previous) return "previous";
  if (running === systems.byHand) return "by hand";
  return systems.offered.includes(running) && committed ? "new" : "broken";
}

/**
 * 1: in the order prove-first neither profile nor boot default move before the proof, so that a power
 * cut boots the system of before by itself. Only activating and probation have anything to tell.
 */
export function movedTooEarly(
  state: State,
  {
    profile,
    bootDefault,
  }: { readonly profile: string | null; readonly bootDefault: string | null },
): boolean {
  if (state.name !== "activating" && state.name !== "probation") return false;
  const { attempt, plan, prev } = state;
  // A profile that named nothing whole is no way back.
  if (plan.order !== "prove-first" || prev.profile === "") return false;
  return (
    profile !== prev.profile ||
    (bootDefault === attempt.storePath && prev.profile !== attempt.storePath)
  );
}

function restsWell(ending: Ending): string[] {
  const { picture } = ending;
  const { running, profile, bootDefault, journal } = picture;
  const state = journal?.machine.state ?? { name: "idle" };
  const where = whereIs(ending);
  return [
    ...complain(
      where === "broken",
      `running ${running}, profile ${profile} and boot default ${bootDefault} are neither all new and committed nor all as before`,
    ),
    ...complain(
      where === "stuck" && !("failure" in state && state.failure.message.length > 20),
      "the device is stuck and does not say with what",
    ),
    ...complain(where !== "stuck" && state.name !== "idle", `the device rests while ${state.name}`),
  ];
}

/** 2: floor and commit never fall, and nothing rolls back after its commit. */
function neverFalls({ picture, highest, events }: Ending): string[] {
  const channels = Object.values(picture.trust.channels);
  const floor = Math.max(0, ...channels.map((channel) => channel.floor.revision));
  const commit = Math.max(0, ...channels.map((channel) => channel.committed?.revision ?? 0));
  // What was refused raises nothing; what was begun has raised it before its first byte.
  const begun = events.flatMap(({ attempt }) =>
    attempt === undefined || attempt.outcome === Outcome.REJECTED ? [] : [Number(attempt.revision)],
  );
  const applied = new Set<string>();
  const undone = events.filter(({ attempt, state }) => {
    if (attempt === undefined) return false;
    const after = applied.has(attempt.id);
    if (attempt.outcome === Outcome.APPLIED) applied.add(attempt.id);
    return after && (state === AgentState.ROLLING_BACK || attempt.outcome === Outcome.ROLLED_BACK);
  });
  return [
    ...complain(floor < highest.floor, `the floor fell from ${highest.floor} to ${floor}`),
    ...complain(floor < Math.max(0, ...begun), `the floor ${floor} is below what was begun`),
    ...complain(commit < highest.commit, `the commit fell from ${highest.commit} to ${commit}`),
    ...complain(undone.length > 0, "an attempt was undone after it had been applied"),
  ];
}

/** 3: bounded activations, and each attempt has exactly one end. */
function tellsOnce({ events, picture, forgotten }: Ending): string[] {
  const attempts = events.flatMap(({ attempt }) => (attempt === undefined ? [] : [attempt]));
  const ids = [...new Set(attempts.map(({ id }) => id))];
  const revisions = [...new Set(attempts.map(({ revision }) => revision))];
  const activations = (revision: bigint) =>
    events.filter(
      ({ state, attempt }) => state === AgentState.ACTIVATING && attempt?.revision === revision,
    ).length;
  return [
    ...ids.flatMap((id) => {
      const ends = endsOf(attempts, id);
      return complain(
        ends.length !== 1 && !(ends.length === 0 && id === forgotten),
        `attempt ${id} has ${ends.length} ends (${ends.join(", ")})`,
      );
    }),
    ...revisions.flatMap((revision) =>
      complain(
        activations(revision) > MOST_ACTIVATIONS,
        `revision ${revision} was activated ${activations(revision)} times`,
      ),
    ),
    ...attempts
      .filter(({ outcome, message }) => isFailure(outcome) && message.length < 20)
      .map(({ id, message }) => `attempt ${id} does not say how it failed but "${message}"`),
    ...complain(picture.outbox.length > 0, `not reported: ${picture.outbox.join(", ")}`),
  ];
}

const endsOf = (attempts: readonly Attempt[], id: string) =>
  attempts
    .filter((attempt) => attempt.id === id && attempt.outcome !== Outcome.UNSPECIFIED)
    .map(({ outcome }) => outcomeName(outcome));

const isFailure = (outcome: Outcome) =>
  outcome !== Outcome.UNSPECIFIED && outcome !== Outcome.APPLIED && outcome !== Outcome.SUPERSEDED;

/** `rolled_back` for ROLLED_BACK. */
export const outcomeName = (outcome: Outcome) => (nameOf(Outcome, outcome) ?? "none").toLowerCase();

/** 4: nothing of the attempt is left, and no secret was let out. */
function leaksNothing(ending: Ending): string[] {
  const { picture, events, log, commandLines, secrets, systems } = ending;
  const stuck = whereIs(ending) === "stuck";
  // A kernel that waits for its first boot needs what that boot may fall back to.
  const waits = picture.journal?.machine.firstBoot !== undefined;
  const kept = waits ? ["first-boot", "fallback"] : [];
  const left = Object.keys(picture.roots).filter(
    (name) => !name.startsWith("committed-") && !kept.includes(name),
  );
  const told = JSON.stringify(events, (_, value: unknown) =>
    typeof value === "bigint" ? `${value}` : value,
  );
  const places = [
    ["the log", log],
    ["a command line", [...commandLines].join("\n")],
    ["a report", told],
  ] as const;
  const failed = picture.generations.filter(
    (system) => system !== picture.profile && systems.offered.includes(system),
  );
  return [
    ...complain(!stuck && left.length > 0, `roots are left: ${left.join(", ")}`),
    ...complain(!stuck && picture.results.length > 0, `left: ${picture.results.join(", ")}`),
    ...complain(
      whereIs(ending) === "previous" && failed.length > 0,
      `a generation of what failed is left: ${failed.join(", ")}`,
    ),
    ...complain(picture.processes.length > 0, `still runs: ${picture.processes.join("; ")}`),
    ...places.flatMap(([place, text]) =>
      secrets.some((secret) => text.includes(secret)) ? [`a secret stands in ${place}`] : [],
    ),
  ];
}

const complain = (broken: boolean, sentence: string) => (broken ? [sentence] : []);
