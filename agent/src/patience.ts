/** How long the agent may be away at its work before it counts as one that hangs. Pure. */
import type { Settings } from "./settings.ts";
import type { StateName } from "./states.ts";

/** On top of every limit: a loaded machine is slow at everything that has none. */
const SPARE_MS = 120_000;

/** Short commands of nix that the work of one state may come to. */
const COMMANDS = 8;

/** The calls that one report may take: enrolment, session, report, manifest, listing, with tries of each. */
const CALLS = 16;

/** Longest that the work of a state can take by its own limits, in milliseconds. */
export function workPatienceMs(state: StateName, settings: Settings): number {
  return limitOf(state, settings) + COMMANDS * settings.nix.commandMs + SPARE_MS;
}

/** The same for a report and what follows from it. */
export function pollPatienceMs({ server }: Settings): number {
  return CALLS * server.callMs + SPARE_MS;
}

/** The same for a wait of so many milliseconds. */
export function waitPatienceMs(ms: number): number {
  return ms + SPARE_MS;
}

function limitOf(
  state: StateName,
  { nix, fetch, activation, probation, rollback, server }: Settings,
): number {
  const busyMs = activation.busyTries * activation.busyWaitMs;
  const switchMs = busyMs + activation.limitMs + 2 * activation.graceMs;
  switch (state) {
    case "idle":
    case "accepted":
    case "awaitingReboot":
    case "stuck":
      return 0;
    case "fetching":
      return fetch.totalMs;
    case "staged":
      // Contents and digest, a repair, and contents and digest once more.
      return 5 * nix.closureMs;
    case "armed":
      return nix.closureMs;
    case "activating":
      return switchMs;
    case "probation":
      return probation.limitMs + 2 * probation.runMs + CALLS * server.callMs;
    case "committing":
      return switchMs;
    case "rollingBack":
      return 2 * switchMs + nix.closureMs + rollback.contactAfterBootMs;
  }
}
