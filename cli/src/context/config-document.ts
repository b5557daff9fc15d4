import { isId } from "@nix-ota/proto/ids";
import { parse, TomlError, type TomlTable } from "smol-toml";

import { CliError } from "../cli-error.ts";

/** What a context says where the command line and the environment say nothing. */
export interface Context {
  server?: string;
  /** File that holds the token; the token itself is never in the configuration. */
  tokenFile?: string;
  channel?: string;
  substituters?: readonly string[];
  /** Private key files to sign with. */
  keys?: readonly string[];
}

/** The configuration file: contexts by name, and which of them is taken when none is named. */
export interface Config {
  defaultContext: string | undefined;
  contexts: ReadonlyMap<string, Context>;
}

export const EMPTY_CONFIG: Config = { defaultContext: undefined, contexts: new Map() };

/** Key in the file of each field, and whether it holds a list. */
const KEYS = {
  server: { key: "server", list: false },
  tokenFile: { key: "token-file", list: false },
  channel: { key: "channel", list: false },
  substituters: { key: "substituters", list: true },
  keys: { key: "keys", list: true },
} as const satisfies Record<keyof Context, { key: string; list: boolean }>;

/**
 * Reads the configuration file's text. `file` is for messages.
 *
 * @throws {CliError} `file`: with line and column for what is no TOML, with the key for what is not
 *   a configuration.
 */
export function parseConfig(text: string, file: string): Config {
  const document = parseToml(text, file);
  const { "default-context": chosen, context: tables = {}, ...rest } = document;
  const refuse = (sentence: string) => new CliError("file", `${file}: ${sentence}`);
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined)
    throw refuse(`${JSON.stringify(unknown)} is no key; there are default-context and [context.…]`);
  if (chosen !== undefined && typeof chosen !== "string")
    throw refuse("default-context is no text; name a context");
  if (!isTable(tables)) throw refuse("context is no table; write [context.prod]");
  const contexts = new Map<string, Context>();
  for (const [name, table] of Object.entries(tables)) {
    if (!isId(name) || !isTable(table))
      throw refuse(`context ${JSON.stringify(name)} is no table with a name; write [context.prod]`);
    contexts.set(name, readContext(name, table, refuse));
  }
  if (chosen !== undefined && !contexts.has(chosen))
    throw refuse(`default-context names ${JSON.stringify(chosen)}, which is no context`);
  return { defaultContext: chosen, contexts };
}

/** The TOML document of a configuration, with fields in the order of the contract above. */
export function configTable({ defaultContext, contexts }: Config): TomlTable {
  const fields = Object.entries(KEYS) as [keyof Context, { key: string }][];
  const tables = [...contexts].map(([name, context]): [string, TomlTable] => [
    name,
    Object.fromEntries(
      fields.flatMap(([field, { key }]) => {
        const value = context[field];
        return value === undefined ? [] : [[key, typeof value === "string" ? value : [...value]]];
      }),
    ),
  ]);
  return {
    ...(defaultContext === undefined ? {} : { "default-context": defaultContext }),
    context: Object.fromEntries(tables),
  };
}

function parseToml(text: string, file: string): TomlTable {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    // Its message goes on with an excerpt of the file, which is not for one line.
    const said = error.message.split("\n")[0]?.replace(/^Invalid TOML document: /u, "");
    throw new CliError("file", `${file}:${error.line}:${error.column}: no TOML: ${said}`, {
      cause: error,
    });
  }
}

function readContext(
  name: string,
  table: TomlTable,
  refuse: (sentence: string) => CliError,
): Context {
  const known = new Map<string, { field: string; list: boolean }>(
    Object.entries(KEYS).map(([field, { key, list }]) => [key, { field, list }]),
  );
  const entries = Object.entries(table).map(([key, value]): [string, unknown] => {
    const where = `${key} of context ${name}`;
    if (key === "token")
      throw refuse(
        `${where}: a token is never kept here; put it into a file and name it token-file`,
      );
    const at = known.get(key);
    if (at === undefined)
      throw refuse(`${where} is no key; there are ${[...known.keys()].join(", ")}`);
    const isText = (one: unknown) => typeof one === "string" && one !== "";
    if (at.list ? !(Array.isArray(value) && value.every(isText)) : !isText(value))
      throw refuse(`${where} is no ${at.list ? "list of texts" : "text"}`);
    return [at.field, value];
  });
  return Object.fromEntries(entries);
}

function isTable(value: unknown): value is TomlTable {
  const isObject = typeof value === "object" && value !== null;
  return isObject && !Array.isArray(value) && !(value instanceof Date);
}
