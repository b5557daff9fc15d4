import type { CommandUnknownOpts, Option } from "@commander-js/extra-typings";

/** A word that can stand where the cursor is. */
export interface Candidate {
  value: string;
  description: string;
}

/** What can stand there: words that are known, names to be looked up, or paths of files. */
export type Wanted =
  | { kind: "words"; words: readonly Candidate[] }
  | { kind: "channels" | "devices" | "contexts" | "files" };

/** What is asked for on a command line that is being typed. */
export interface CompletionRequest {
  wanted: Wanted;
  /** What is typed of the word. */
  typed: string;
  /** `--option=` in front of it, where the word has that. */
  prefix: string;
  /** Values given so far by the options' names, e.g. `server`. */
  given: ReadonlyMap<string, string>;
}

const NOTHING: Wanted = { kind: "words", words: [] };

/**
 * Reads the words of a command line behind the program's name, up to the one at the cursor, which
 * may be empty.
 */
export function completionRequest(
  program: CommandUnknownOpts,
  words: readonly string[],
): CompletionRequest {
  const given = new Map<string, string>();
  const before = [...words];
  const current = (before.pop() ?? "").replace(/^["']/u, "");
  let command = program;
  let position = 0;
  let areOptionsOver = false;
  while (before.length > 0) {
    const word = before.shift() ?? "";
    if (!areOptionsOver && word === "--") {
      areOptionsOver = true;
    } else if (!areOptionsOver && word.startsWith("-")) {
      const [name = "", ...rest] = word.split("=");
      const option = optionOf(command, name);
      if (option === undefined || !takesValue(option)) continue;
      const value = rest.length > 0 ? rest.join("=") : before.shift();
      if (value === undefined)
        return { wanted: valuesOf(option), typed: current, prefix: "", given };
      given.set(option.attributeName(), value);
    } else {
      const child = position === 0 ? childOf(command, word) : undefined;
      if (child === undefined) position += 1;
      else command = child;
    }
  }
  if (areOptionsOver || !current.startsWith("-"))
    return { wanted: wordsAt(command, position), typed: current, prefix: "", given };
  const [, prefix = "", typed = ""] = /^(-[^=]*=)(.*)$/su.exec(current) ?? [];
  if (prefix === "") return { wanted: optionsOf(command), typed: current, prefix, given };
  const option = optionOf(command, prefix.slice(0, -1));
  const wanted = option === undefined ? NOTHING : valuesOf(option);
  return { wanted, typed, prefix, given };
}

function childOf(command: CommandUnknownOpts, word: string): CommandUnknownOpts | undefined {
  return command.commands.find((child) => child.name() === word || child.aliases().includes(word));
}

function optionOf(command: CommandUnknownOpts, name: string): Option | undefined {
  return command.options.find(({ long, short }) => long === name || short === name);
}

function takesValue(option: Option): boolean {
  return option.required || option.optional;
}

function optionsOf(command: CommandUnknownOpts): Wanted {
  const words = command
    .createHelp()
    .visibleOptions(command)
    .map(({ long, short, description }) => ({ value: long ?? short ?? "", description }));
  return { kind: "words", words };
}

/** Sub-commands, or what the command's argument at the position can be. */
function wordsAt(command: CommandUnknownOpts, position: number): Wanted {
  if (command.commands.length > 0) {
    if (position > 0) return NOTHING;
    const words = command.commands.map((child) => ({
      value: child.name(),
      description: child.description(),
    }));
    return { kind: "words", words };
  }
  const all = command.registeredArguments;
  const last = all.at(-1);
  const argument = all[position] ?? (last?.variadic ? last : undefined);
  if (argument === undefined) return NOTHING;
  return argument.argChoices === undefined ? named(argument.name()) : choices(argument.argChoices);
}

function valuesOf(option: Option): Wanted {
  if (option.argChoices !== undefined) return choices(option.argChoices);
  if (option.long === "--channel") return { kind: "channels" };
  if (option.long === "--context") return { kind: "contexts" };
  return named(/<([a-z-]+)>/u.exec(option.flags)?.[1] ?? "");
}

/** Placeholders in `--help` say of what kind a value is; a key is most often in a file. */
function named(placeholder: string): Wanted {
  switch (placeholder) {
    case "channel":
      return { kind: "channels" };
    case "device":
      return { kind: "devices" };
    case "context":
      return { kind: "contexts" };
    case "file":
    case "path":
    case "folder":
    case "key":
      return { kind: "files" };
    default:
      return NOTHING;
  }
}

function choices(values: readonly string[]): Wanted {
  return { kind: "words", words: values.map((value) => ({ value, description: "" })) };
}
