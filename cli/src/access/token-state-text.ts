import { countOf } from "../amounts.ts";
import type { Output } from "../output.ts";
import type { TokenState } from "./token-document.ts";

const COLOUR = { active: "green", suspended: "yellow", expired: "dim", revoked: "dim" } as const;

export function paintState(state: TokenState, output: Output): string {
  return output.paint(COLOUR[state], state);
}

/** Says how tokens that a restored backup suspended come back; nothing when there are none. */
export function noteSuspended(
  tokens: readonly { state: TokenState }[],
  command: string,
  output: Output,
): void {
  const count = tokens.filter(({ state }) => state === "suspended").length;
  if (count > 0)
    output.note(
      `${countOf(count, "token")} suspended since a backup was restored; nix-ota ${command} confirm <id> lets one work again`,
    );
}
