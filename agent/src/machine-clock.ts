import { randomUUID } from "node:crypto";
import { access, readFile } from "node:fs/promises";
import { setTimeout as wait } from "node:timers/promises";

import { AgentError } from "./agent-error.ts";
import type { Chance, Clock } from "./ports/clock.ts";

export function machineClock(bootIdFile: string, synchronizedFile: string): Clock {
  let bootId: string | undefined;
  return {
    // CLOCK_MONOTONIC: counts from the boot, so that another process of the same boot can go on.
    monotonicMs: () => Number(process.hrtime.bigint() / 1_000_000n),
    wallS: () => Math.floor(Date.now() / 1000),
    synchronized: async () =>
      await access(synchronizedFile).then(
        () => true,
        () => false,
      ),
    async bootId() {
      try {
        bootId ??= (await readFile(bootIdFile, "utf8")).trim().slice(0, 64);
        return bootId;
      } catch (cause) {
        throw new AgentError("state", `${bootIdFile} cannot be read`, cause);
      }
    },
    sleep: async (ms, signal) => {
      await wait(ms, undefined, { signal });
    },
  };
}

export const machineChance: Chance = { fraction: () => Math.random(), id: () => randomUUID() };
