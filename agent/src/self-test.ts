/**
 * What an agent finds about itself, and how another version of it reads that. The statuses are a
 * contract between versions: the agent that runs judges the one that is to follow it. Pure.
 */

/** How a self-test ended. `unreachable` and `refused`: nothing is wrong but what the server says. */
export type Fitness = "fit" | "unfit" | "unreachable" | "refused";

/**
 * Exit statuses of `self-test`. No program that fails by itself ends with the last two, EX_UNAVAILABLE
 * and EX_NOPERM of sysexits.h: node ends with 1 to 13, a shell with 126 and 127.
 */
export const SELF_TEST_STATUS: Readonly<Record<Fitness, number>> = {
  fit: 0,
  unfit: 4,
  unreachable: 69,
  refused: 77,
};

const FITNESS = new Map(
  (Object.keys(SELF_TEST_STATUS) as Fitness[]).map((one) => [SELF_TEST_STATUS[one], one]),
);

/** Names the attempt that is under way: its agent must find it in the journal. */
export const ATTEMPT_VARIABLE = "NIX_OTA_ATTEMPT";

/** The id that the device goes by: its next agent must go by the same. */
export const DEVICE_VARIABLE = "NIX_OTA_DEVICE";

/** What the exit status of a self-test says; every other one is an agent that does not work. */
export function fitnessOf(status: number): Fitness {
  return FITNESS.get(status) ?? "unfit";
}

/** What the agent found on the device. */
export interface Findings {
  /** As `nix --version` tells it; empty: there is none. */
  readonly nixVersion: string;
  /** Whether each record can be read in the format that it is in. */
  readonly journal: Readability;
  readonly trust: Readability;
  readonly key: "there" | "absent";
  /** Attempt that the journal is at; undefined: none. */
  readonly journalAttempt: string | undefined;
  /** Attempt that whoever asks says is under way; undefined: nobody says. */
  readonly expectedAttempt: string | undefined;
  /** The id that this agent's configuration comes to. */
  readonly deviceId: string;
  /** Id that whoever asks says the device goes by; undefined: nobody says. */
  readonly expectedDevice: string | undefined;
  /** Why this agent would refuse the release under way; undefined: it would not, or it is not known. */
  readonly refusal: string | undefined;
  /** Where all of it was looked for. */
  readonly stateDir: string;
}

type Readability = "readable" | "unreadable" | "absent";

/** Why the agent cannot serve the device, whatever the server says; undefined: nothing speaks against it. */
export function unfitness(found: Findings): string | undefined {
  const { stateDir, expectedAttempt, expectedDevice } = found;
  for (const name of ["journal", "trust"] as const) {
    if (found[name] === "unreadable") {
      return `the ${name} in ${stateDir} is in a format that this agent does not know; publish a version of the agent that is no older than the device's`;
    }
  }
  if (expectedAttempt !== undefined && found.journalAttempt !== expectedAttempt) {
    return `${stateDir} is not the state of this device, whose attempt ${expectedAttempt} it does not know; set stateDir to the directory that the device has`;
  }
  if (expectedAttempt !== undefined && found.key === "absent") {
    return `${stateDir} has no device.key, so the server would take the device for another; set stateDir to the directory that the device has`;
  }
  if (expectedDevice !== undefined && found.deviceId !== expectedDevice) {
    return `this agent would go by the id ${found.deviceId}, the device is ${expectedDevice}; give it the deviceId, or the deviceIdFile, that the device has`;
  }
  if (found.refusal !== undefined) {
    return `this agent would refuse the release that it came with: ${found.refusal}`;
  }
  if (found.nixVersion === "") return "nix cannot be run; put it on the agent's PATH";
  return undefined;
}
