import { shellWord as plainShellWord } from "@nix-ota/proto/shell-word";

import { safeText } from "./terminal-text.ts";

/** A word as a POSIX shell takes it literally, for commands that people copy from a terminal. */
export const shellWord = (text: string): string => plainShellWord(safeText(text));
