import type { Restored } from "../db/restored.ts";

/** What an operator has to do after a restoration. */
export function nextSteps({
  suspendedTokens,
  suspendedEnrolmentTokens,
  pausedChannels,
}: Restored): string {
  const channels = pausedChannels.length === 0 ? "none" : pausedChannels.join(", ");
  return [
    "The database is marked as restored:",
    "  sessions of devices and of the console have ended; devices come back by themselves",
    `  operator tokens that wait to be confirmed: ${suspendedTokens}; enrolment tokens: ${suspendedEnrolmentTokens}`,
    `  channels that were paused by it: ${channels}`,
    "",
    "What to do:",
    "  1. start the server; unless --admin-token-file names a token, it writes a first admin token into its data directory",
    "  2. nix-ota token list, then nix-ota token confirm <id> for each that was not revoked since the backup;",
    "     enrolment tokens likewise: nix-ota enrol-token confirm <id>",
    "  3. nix-ota channel recover <channel>, once devices have reported: it brings back what was published after the backup",
    "  4. nix-ota channel resume <channel>",
    "",
  ].join("\n");
}
