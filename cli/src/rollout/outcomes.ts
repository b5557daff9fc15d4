import type { ReleaseOutcomes } from "@nix-ota/proto/nixota/v1/release_pb";

import type { Output } from "../output.ts";

const COLUMNS = [
  { field: "applied", words: "applied", colour: "green" },
  { field: "inProgress", words: "in progress", colour: "cyan" },
  { field: "outstanding", words: "outstanding", colour: undefined },
  { field: "rolledBack", words: "rolled back", colour: "red" },
  { field: "failed", words: "failed", colour: "red" },
  { field: "silent", words: "silent", colour: "red" },
] as const;

/** `7 applied, 1 in progress, 2 rolled back`: what there is none of is left out. */
export function outcomesText(outcomes: ReleaseOutcomes | undefined, output: Output): string {
  if (outcomes === undefined) return "";
  const shown = COLUMNS.filter(({ field }) => outcomes[field] > 0n).map(
    ({ field, words, colour }) => {
      const text = `${outcomes[field]} ${words}`;
      return colour === undefined ? text : output.paint(colour, text);
    },
  );
  return shown.join(", ") || "no device follows the channel";
}

/** How devices fared, for a program. */
export function outcomesDocument(outcomes: ReleaseOutcomes | undefined) {
  return {
    applied: Number(outcomes?.applied ?? 0n),
    rolledBack: Number(outcomes?.rolledBack ?? 0n),
    failed: Number(outcomes?.failed ?? 0n),
    inProgress: Number(outcomes?.inProgress ?? 0n),
    outstanding: Number(outcomes?.outstanding ?? 0n),
    silent: Number(outcomes?.silent ?? 0n),
  };
}
