import type { CommandUnknownOpts } from "@commander-js/extra-typings";

import type { Host } from "../host.ts";
import { namesFor } from "./names.ts";
import { completionRequest, type Candidate } from "./request.ts";
import { FILES, type Shell } from "./scripts.ts";

/** Prints what can stand at the cursor of a command line, in the form that the shell's script reads. */
export async function printCompletions(
  shell: Shell,
  words: readonly string[],
  program: CommandUnknownOpts,
  host: Host,
): Promise<void> {
  const { wanted, typed, prefix, given } = completionRequest(
    program,
    shell === "bash" ? rejoined(words) : words,
  );
  if (wanted.kind === "files") {
    host.stdout.write(`${FILES}\n`);
    return;
  }
  const found: readonly Candidate[] =
    wanted.kind === "words"
      ? wanted.words.filter(({ value }) => value.startsWith(typed))
      : (await namesFor(wanted.kind, typed, given, host)).map((value) => ({
          value,
          description: "",
        }));
  for (const candidate of found) host.stdout.write(`${lineFor(shell, prefix, candidate)}\n`);
}

/** Bash takes a word apart at `=` and wants only what is behind it. */
function rejoined(words: readonly string[]): string[] {
  const whole: string[] = [];
  for (const word of words) {
    const last = whole.at(-1);
    const isValue = last !== undefined && /^--[^=]*=$/u.test(last);
    if (last !== undefined && (isValue || (word === "=" && last.startsWith("--"))))
      whole[whole.length - 1] = last + word;
    else whole.push(word);
  }
  return whole;
}

function lineFor(shell: Shell, prefix: string, { value, description }: Candidate): string {
  switch (shell) {
    case "bash":
      return value;
    case "fish":
      return description === "" ? prefix + value : `${prefix}${value}\t${description}`;
    case "zsh": {
      const word = (prefix + value).replaceAll(":", String.raw`\:`);
      return description === "" ? word : `${word}:${description}`;
    }
  }
}
