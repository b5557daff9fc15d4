import type { Agent } from "../agent.ts";
import type { WayBack } from "../attempt.ts";

/** Units that failed and had not before. Where that cannot be told, then or now, there are none. */
export async function newFailedUnits(
  { ports }: Agent,
  prev: WayBack,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const before = prev.failedUnits;
  const failed = before === undefined ? undefined : await ports.health.failedUnits(signal);
  if (before === undefined || failed === undefined) {
    ports.log("warn", "failed units cannot be listed; health and contact decide");
    return [];
  }
  return failed.filter((unit) => !before.includes(unit));
}

export const unitsSentence = (units: readonly string[]): string =>
  `${units.slice(0, 5).join(", ")}${units.length > 5 ? ` and ${units.length - 5} more` : ""} failed that had not failed before; see the journal of the device`;
