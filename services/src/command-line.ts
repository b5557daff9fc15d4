import { parseArgs } from "node:util";

import { OPTION_NAMES, optionOf, SWITCHES, type OptionName, type SwitchName } from "./options.ts";

/** What was given for an option; one with several values has a list. */
export type Given = Partial<Record<OptionName, string | readonly string[] | undefined>>;

/** A command line and its environment, sorted but not yet believed. */
export interface CommandLine {
  readonly given: Given;
  /** What is no option, in its order. */
  readonly words: readonly string[];
  readonly switches: ReadonlySet<SwitchName>;
  /** A sentence for each word that fits nowhere; never a value, which may be a secret. */
  readonly problems: readonly string[];
}

/** Sorts flags, then variables for what no flag said. */
export function readCommandLine(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): CommandLine {
  const problems: string[] = [];
  const words: string[] = [];
  const flags = new Map<OptionName, string[]>();
  const switches = new Set<SwitchName>();
  // Not strict: it would end at the first mistake and hide the others.
  const { tokens } = parseArgs({ args: [...argv], options: FLAGS, strict: false, tokens: true });
  for (const token of tokens) {
    if (token.kind === "positional") words.push(token.value);
    if (token.kind !== "option") continue;
    const name = OPTION_OF_FLAG.get(token.name);
    if (name !== undefined) {
      const value = valueOf(token);
      if (value !== undefined) flags.set(name, [...(flags.get(name) ?? []), value]);
      else problems.push(`${token.rawName} needs a value: ${optionOf(name).value}`);
    } else if (!isSwitch(token.name)) {
      problems.push(`there is no option ${token.rawName}`);
    } else if (token.value === undefined) {
      switches.add(token.name);
    } else {
      problems.push(`${token.rawName} takes no value`);
    }
  }
  const given: Given = {};
  for (const name of OPTION_NAMES) {
    const values = flags.get(name) ?? fromVariable(name, env);
    given[name] = optionOf(name).repeats === true ? values : values?.at(-1);
  }
  return { given, words, switches, problems };
}

const OPTION_OF_FLAG: ReadonlyMap<string, OptionName> = new Map(
  OPTION_NAMES.flatMap((name) => {
    const { flag } = optionOf(name);
    return flag === undefined ? [] : [[flag, name] as const];
  }),
);

const FLAGS = {
  ...Object.fromEntries([...OPTION_OF_FLAG.keys()].map((flag) => [flag, { type: "string" }])),
  ...Object.fromEntries(Object.keys(SWITCHES).map((flag) => [flag, { type: "boolean" }])),
} as Record<string, { type: "string" | "boolean" }>;

function isSwitch(name: string): name is SwitchName {
  return Object.hasOwn(SWITCHES, name);
}

/** A flag behind a flag is a forgotten value, unless an equals sign says that it is one. */
function valueOf(token: { value?: string | undefined; inlineValue?: boolean | undefined }) {
  const { value, inlineValue } = token;
  return inlineValue !== true && value?.startsWith("-") === true ? undefined : value;
}

function fromVariable(
  name: OptionName,
  env: Readonly<Record<string, string | undefined>>,
): readonly string[] | undefined {
  const { variable, repeats } = optionOf(name);
  const text = env[variable];
  // An empty variable counts as unset: unit files cannot unset one.
  if (text === undefined || text === "") return undefined;
  return repeats === true ? text.split(",").map((one) => one.trim()) : [text];
}
