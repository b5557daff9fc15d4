/** What `nix-ota-agent inhibit` is asked for. Pure. */
import { parseDuration } from "../spell-duration.ts";

export type InhibitOptions =
  | {
      readonly do: "run";
      readonly command: readonly [string, ...string[]];
      readonly why: string;
      /** How long to wait for an update under way; undefined: as configured. */
      readonly waitMs: number | undefined;
    }
  | { readonly do: "postpone"; readonly forMs: number; readonly why: string }
  | { readonly do: "end" };

const LONGEST_WHY = 200;

/** @returns a sentence when that makes no sense. */
export function inhibitOptions(
  options: Readonly<Record<string, string | boolean | undefined>>,
  [program, ...more]: readonly string[],
): InhibitOptions | string {
  const text = (name: string) => {
    const value = options[name];
    return typeof value === "string" ? value : undefined;
  };
  // It stands in one line of `status` and in reports.
  // oxlint-disable-next-line no-control-regex
  const why = (text("why") ?? "").replaceAll(/[\u0000-\u001f\u007f]/g, " ").slice(0, LONGEST_WHY);
  const [time, wait] = [text("for"), text("wait")];
  const asked = [program !== undefined, time !== undefined, options["end"] === true];
  if (asked.filter(Boolean).length !== 1) return "say one of: -- COMMAND, --for DURATION, --end";
  if (program !== undefined) {
    const waitMs = wait === undefined ? undefined : parseDuration(wait);
    if (wait !== undefined && waitMs === undefined)
      return `--wait ${wait} is no duration such as 90s, 45m or 2h`;
    return { do: "run", command: [program, ...more], why: why || program, waitMs };
  }
  if (time === undefined) return { do: "end" };
  const forMs = parseDuration(time);
  if (forMs === undefined) return `--for ${time} is no duration such as 45m, 2h or 3d`;
  return { do: "postpone", forMs, why };
}
