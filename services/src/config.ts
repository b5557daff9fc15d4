import { join, resolve } from "node:path";
import { parseArgs } from "node:util";

import { normalizeServerUrl } from "@nix-ota/proto/auth-statement";
import { z } from "zod";

import { OPTIONS, type OptionName } from "./options.ts";

/** What the server runs with. Paths are absolute. */
export interface Config {
  readonly listen: { readonly host: string; readonly port: number };
  readonly dataDir: string;
  /** PostgreSQL; undefined: the embedded database. */
  readonly databaseUrl: string | undefined;
  /** Undefined: nobody can publish or read. */
  readonly publishTokenFile: string | undefined;
  /** Normalised; empty: where it listens. */
  readonly publicUrls: readonly string[];
  readonly sessionKeyFile: string;
  /** How often devices are told to report, seconds. */
  readonly checkInIntervalS: number;
  readonly logLevel: "debug" | "info" | "warn" | "error";
}

/** A configuration, the wish for help, or every problem at once. */
export type ConfigResult =
  | { readonly kind: "config"; readonly config: Config }
  | { readonly kind: "help" }
  | { readonly kind: "problems"; readonly problems: readonly string[] };

/** Reads the process's own arguments and environment: the only place that does. */
export function readConfig(): ConfigResult {
  return parseConfig(process.argv.slice(2), process.env);
}

/** Reads options from flags and environment. */
export function parseConfig(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): ConfigResult {
  let flags: Readonly<Record<string, string | boolean | string[] | undefined>>;
  try {
    flags = parseArgs({ args: [...argv], options: FLAGS, allowPositionals: false }).values;
  } catch (cause) {
    // Node's sentence names the unknown flag or the missing value.
    return { kind: "problems", problems: [cause instanceof Error ? cause.message : String(cause)] };
  }
  if (flags["help"] === true) return { kind: "help" };

  const given = Object.fromEntries(
    (Object.keys(OPTIONS) as OptionName[]).map((name) => [name, valueOf(name, flags, env)]),
  );
  const parsed = SCHEMA.safeParse(given);
  if (!parsed.success) {
    return { kind: "problems", problems: parsed.error.issues.map(({ message }) => message) };
  }
  const { sessionKeyFile, databaseUrl, publishTokenFile, ...rest } = parsed.data;
  return {
    kind: "config",
    config: {
      ...rest,
      databaseUrl,
      publishTokenFile,
      sessionKeyFile: sessionKeyFile ?? join(rest.dataDir, "session.key"),
    },
  };
}

const FLAGS = {
  help: { type: "boolean" },
  listen: { type: "string" },
  "data-dir": { type: "string" },
  "publish-token-file": { type: "string" },
  "public-url": { type: "string", multiple: true },
  "session-key-file": { type: "string" },
  "check-in-interval": { type: "string" },
  "log-level": { type: "string" },
} as const;

function valueOf(
  name: OptionName,
  flags: Readonly<Record<string, string | boolean | string[] | undefined>>,
  env: Readonly<Record<string, string | undefined>>,
): string | readonly string[] | undefined {
  const { flag, variable } = OPTIONS[name];
  const byFlag = flag === undefined ? undefined : flags[flag];
  if (typeof byFlag === "string" || Array.isArray(byFlag)) return byFlag;
  // An empty variable counts as unset: unit files cannot unset one.
  const byVariable = env[variable] === "" ? undefined : env[variable];
  if (name !== "publicUrls") return byVariable;
  return byVariable?.split(",").map((url) => url.trim());
}

function option<T>(name: OptionName, read: (text: string) => T | undefined, wanted: string) {
  const { flag, variable } = OPTIONS[name];
  const label = flag === undefined ? variable : `--${flag} (${variable})`;
  return z.string().transform((text, context): T => {
    const value = read(text);
    if (value !== undefined) return value;
    // Never the value itself: a URL may carry a password.
    context.addIssue({ code: "custom", message: `${label} must be ${wanted}` });
    return z.NEVER;
  });
}

const SCHEMA = z.object({
  listen: option("listen", readAddress, "HOST:PORT with a port from 0 to 65535").default({
    host: "127.0.0.1",
    port: 8080,
  }),
  dataDir: option("dataDir", readPath, "a directory").default(resolve("nix-ota-data")),
  databaseUrl: option(
    "databaseUrl",
    (text) => (/^postgres(ql)?:\/\//.test(text) ? text : undefined),
    "a URL that begins with postgres:// or postgresql://",
  ).optional(),
  publishTokenFile: option("publishTokenFile", readPath, "a file").optional(),
  publicUrls: z
    .array(
      option(
        "publicUrls",
        normalizeServerUrl,
        "http or https URLs without user information, query and fragment",
      ),
    )
    .default([]),
  sessionKeyFile: option("sessionKeyFile", readPath, "a file").optional(),
  checkInIntervalS: option(
    "checkInIntervalS",
    (text) => readInteger(text, { least: 5, most: 86_400 }),
    "a number of seconds from 5 to 86400",
  ).default(60),
  logLevel: option("logLevel", readLogLevel, "debug, info, warn or error").default("info"),
});

function readAddress(text: string): { host: string; port: number } | undefined {
  const [, bracketed, plain, digits] =
    /^(?:\[([0-9A-Fa-f:.]+)\]|([^:\s]+)):([0-9]+)$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  const port = readInteger(digits ?? "", { least: 0, most: 65_535 });
  return host === undefined || port === undefined ? undefined : { host, port };
}

function readPath(text: string): string | undefined {
  return text === "" || text.includes("\0") ? undefined : resolve(text);
}

function readInteger(text: string, range: { least: number; most: number }): number | undefined {
  if (!/^[0-9]{1,9}$/.test(text)) return undefined;
  const number = Number(text);
  return number >= range.least && number <= range.most ? number : undefined;
}

function readLogLevel(text: string): Config["logLevel"] | undefined {
  const levels = ["debug", "info", "warn", "error"] as const;
  return levels.find((level) => level === text);
}
