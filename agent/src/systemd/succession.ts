import { constants } from "node:fs";
import { access, realpath } from "node:fs/promises";

import type { Succession } from "../ports/supervision.ts";
import { startsUnit } from "./started-unit.ts";

const RUNNING = "/run/current-system";
const WAY_BACK = "/nix/var/nix/gcroots/nix-ota/prev";

const PROGRAM = "sw/bin/nix-ota-agent";
const CONFIGURATION = "etc/nix-ota/agent.json";
const UNIT = "nix-ota-agent.service";

/** The configuration that a system has for its agent. */
export const configurationOf = (system: string): string => `${system}/${CONFIGURATION}`;

/**
 * The agents of an agent started by `nix-ota-agent.service`, which chooses between two systems by the
 * rule that stands in the unit's ExecStart: the way back while there is one, else what runs.
 *
 * @param system the real path of the system whose agent this is.
 */
export async function serviceSuccession(
  system: string,
  running = RUNNING,
  wayBack = WAY_BACK,
): Promise<Succession> {
  const own = await partsOf(system);
  return {
    async superseded() {
      // A system that starts no agent, or has none, leaves the one that runs all there is.
      if (!(await startsUnit(running, UNIT))) return false;
      const next = await partsOf((await hasAgent(wayBack)) ? wayBack : running);
      return next.program !== undefined && JSON.stringify(next) !== JSON.stringify(own);
    },
  };
}

/** Nobody starts this agent again. */
export const noSuccession: Succession = { superseded: async () => await Promise.resolve(false) };

async function hasAgent(system: string): Promise<boolean> {
  try {
    await access(`${system}/${PROGRAM}`, constants.X_OK);
    await access(`${system}/${CONFIGURATION}`);
    return true;
  } catch {
    return false;
  }
}

/** What makes one agent another: a program, a configuration or a unit elsewhere in the store. */
async function partsOf(system: string) {
  const [program, configuration, unit] = await Promise.all(
    [PROGRAM, CONFIGURATION, `etc/systemd/system/${UNIT}`].map(
      async (part) => await whereIs(`${system}/${part}`),
    ),
  );
  return { program, configuration, unit };
}

async function whereIs(path: string): Promise<string | undefined> {
  try {
    return await realpath(path);
  } catch {
    // The system does not have it.
    return undefined;
  }
}
