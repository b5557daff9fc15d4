import type { Output } from "../output.ts";
import { renderTable } from "../table.ts";
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

/** The findings for a person, each remedy behind what was found. */
export function findingsText(findings: readonly Finding[], output: Output): string {
  return renderTable(
    [{ title: "" }, { title: "CHECK" }, { title: "FOUND" }],
    findings.map(({ verdict, check, found, remedy }) => [
      output.paint(COLOUR[verdict], verdict),
      check,
      safeText(remedy === "" ? found : `${found}; ${remedy}`),
    ]),
    // What to do must be readable whole.
    { ...output.tableStyle(), maxWidth: undefined },
  );
}
