import type { HealthResult } from "../ports/health.ts";

export const failed = (detail: string): HealthResult => ({ health: "failed", detail });

/** What the status of a shell says of the command that it ran: 126 and 127 are its own words. */
export function passedOrNot(code: number): HealthResult {
  if (code === 0) return { health: "passed" };
  if (code === 126 || code === 127) return { health: "not run", detail: "could not be run" };
  return failed(`ended with status ${code}`);
}
