import type { Activation, DeadMan } from "../ports/activation.ts";
import type { Chance, Clock } from "../ports/clock.ts";
import type { Disk } from "../ports/disk.ts";
import type { Health } from "../ports/health.ts";
import { activationBeside } from "./activation.ts";
import type { ActivationSettings } from "./activation.ts";
import type { AlarmSettings } from "./alarm.ts";
import { deadManBeside } from "./dead-man.ts";
import type { DeadManProgram } from "./dead-man.ts";
import { processAlarm } from "./process-alarm.ts";
import { processHealth } from "./process-health.ts";
import { processRunner } from "./process-runner.ts";
import type { Systemd } from "./systemd.ts";
import { unitAlarm } from "./unit-alarm.ts";
import { unitHealth } from "./unit-health.ts";
import { unitRunner } from "./unit-runner.ts";

export interface SupervisionOptions {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly chance: Chance;
  readonly stateDir: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly failedUnitsCmd: string;
  readonly activation: ActivationSettings;
  readonly probation: { readonly runMs: number };
  readonly deadMan: AlarmSettings;
  readonly deadManProgram: DeadManProgram;
}

export interface Supervision {
  readonly activation: Activation;
  readonly health: Health;
  readonly deadMan: DeadMan;
}

/**
 * What runs beside the agent: as transient units, or as processes where there is no manager.
 *
 * @param manager undefined: as processes.
 */
export function supervision(
  manager: Systemd | undefined,
  options: SupervisionOptions,
): Supervision {
  const { disk, clock, chance, stateDir, environment } = options;
  const runner =
    manager === undefined
      ? processRunner(disk, clock, `${stateDir}/result`, environment, options.activation)
      : unitRunner(manager, clock, options.activation);
  const alarm =
    manager === undefined
      ? processAlarm(environment, options.deadMan)
      : unitAlarm(manager, options.deadMan);
  const { failedUnitsCmd, probation } = options;
  return {
    activation: activationBeside(runner, disk, clock, stateDir, environment, options.activation),
    health:
      manager === undefined
        ? processHealth(environment, stateDir, failedUnitsCmd, probation)
        : unitHealth(manager, chance, environment, failedUnitsCmd, probation),
    deadMan: deadManBeside(alarm, disk, stateDir, environment, options.deadManProgram),
  };
}
