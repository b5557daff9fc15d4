import type { Chance } from "../ports/clock.ts";
import type { Health } from "../ports/health.ts";
import { failedUnits } from "./failed-units.ts";
import { failed, passedOrNot } from "./health-result.ts";
import { ownService } from "./systemd.ts";
import type { Systemd } from "./systemd.ts";

const UNITS = "nix-ota-health-*.service";
const GRACE_MS = 1000;
const MANAGER_MS = 30_000;

/**
 * Tells on its output that the command began, and how it ended. What the command itself says may
 * hold secrets and goes nowhere, not into the journal either.
 */
const SCRIPT = 'echo begun; sh -c "$1" > /dev/null 2>&1 < /dev/null; echo $?';

/** Health checks as transient units, which take with them whatever a check leaves behind. */
export function unitHealth(
  manager: Systemd,
  chance: Chance,
  environment: Readonly<Record<string, string>>,
  failedUnitsCmd: string,
  { runMs }: { readonly runMs: number },
): Health {
  /** With a signal of its own: what was given up has to be ended all the same. */
  const stop = async (unit: string) =>
    await manager.systemctl(["stop", unit], MANAGER_MS, new AbortController().signal);
  let swept = false;

  return {
    async check(command, added, signal) {
      // An agent that died left its check to the manager.
      if (!swept) await stop(UNITS);
      swept = true;
      const service = await ownService();
      const unit = `nix-ota-health-${chance.id()}.service`;
      const { how, stdout } = await manager.run(
        {
          unit,
          description: "nix-ota: health check",
          properties: [
            "Type=exec",
            "KillMode=control-group",
            `RuntimeMaxSec=${Math.ceil((runMs + 2 * GRACE_MS) / 1000)}`,
            `TimeoutStopSec=${GRACE_MS / 1000}`,
            // Ends with the agent, however that ends.
            ...(service === undefined ? [] : [`BindsTo=${service}`, `After=${service}`]),
          ],
          options: [
            "--pipe",
            "--wait",
            ...Object.entries(added).map(([name, value]) => `--setenv=${name}=${value}`),
          ],
          argv: ["sh", "-c", SCRIPT, "sh", command],
        },
        runMs,
        signal,
      );
      if (how !== "exited") await stop(unit);
      signal.throwIfAborted();
      if (how === "timed out") return failed(`did not end within ${runMs / 1000} s`);
      const [begun, code] = stdout.split("\n");
      if (begun !== "begun")
        return { health: "not run", detail: "could not be run as a transient unit" };
      return code === undefined || code === "" ? failed("was killed") : passedOrNot(Number(code));
    },
    failedUnits: async (signal) => await failedUnits(failedUnitsCmd, environment, runMs, signal),
  };
}
