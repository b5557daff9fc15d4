import type { Output } from "../output.ts";
import { breakLines } from "../table.ts";
import { safeText } from "../terminal-text.ts";

/**
 * How it stands with what was looked at.
 *
 * - `ok`: as it should be
 * - `warning`: works, and will not for ever or not everywhere
 * - `wrong`: does not work
 * - `skipped`: could not be looked at, because of another finding or because nothing names it
 */
export type Verdict = "ok" | "warning" | "wrong" | "skipped";

/** One thing that was looked at. */
export interface Finding {
  /** What, by a name that stays from version to version. */
  check: "configuration" | "nix" | "server" | "clock" | "version" | "token" | "key" | "cache";
  verdict: Verdict;
  /** What was found, one line. */
  found: string;
  /** What to do about it; empty where there is nothing to do. */
  remedy: string;
}

const COLOUR = { ok: "green", warning: "yellow", wrong: "red", skipped: "dim" } as const;

/** The findings for a person: each with what to do about it, in lines that the terminal holds. */
export function findingsText(findings: readonly Finding[], output: Output): string {
  const widthOf = (texts: readonly string[]): number =>
    Math.max(0, ...texts.map((text) => text.length));
  const verdictWidth = widthOf(findings.map(({ verdict }) => verdict));
  const checkWidth = widthOf(findings.map(({ check }) => check));
  const margin = verdictWidth + checkWidth + 4;
  const room = (output.tableStyle().maxWidth ?? Number.POSITIVE_INFINITY) - margin;
  return findings
    .map(({ verdict, check, found, remedy }) => {
      const text = breakLines(safeText(remedy === "" ? found : `${found}; ${remedy}`), room);
      return [
        output.paint(COLOUR[verdict], verdict.padEnd(verdictWidth)),
        check.padEnd(checkWidth),
        text.replaceAll("\n", `\n${" ".repeat(margin)}`),
      ].join("  ");
    })
    .join("\n");
}
