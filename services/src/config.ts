import { join, resolve } from "node:path";

import { normalizeServerUrl } from "@nix-ota/proto/auth-statement";
import { z } from "zod";

import { readNetwork } from "./client-address.ts";
import { readCommandLine, type Given } from "./command-line.ts";
import { readCommand, type Command } from "./commands.ts";
import { oneOf, readAddress, readDatabaseUrl, readInteger, readPath } from "./option-values.ts";
import { labelOf, OPTION_NAMES, type OptionName } from "./options.ts";
import { PARTS, readParts } from "./parts.ts";

/** Reads the process's own arguments and environment: the only place that does. */
export function readConfig(): ConfigResult {
  return parseConfig(process.argv.slice(2), process.env);
}

/** What the server runs with. Paths are absolute. */
export type Config = Readonly<Read> & { readonly sessionKeyFile: string };

/** What the command line asks for, or every problem in it at once. */
export type ConfigResult =
  | { readonly kind: "config"; readonly config: Config; readonly command: Command }
  | { readonly kind: "help" }
  | {
      readonly kind: "problems";
      readonly problems: readonly string[];
      /** What can be read of it all the same, to be looked at for more problems. */
      readonly readable: Readable;
    };

/** A configuration of which some options could not be read. */
export type Readable = { readonly [K in keyof Config]?: Config[K] | undefined };

/** Reads options from flags and environment. */
export function parseConfig(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): ConfigResult {
  const { given, words, switches, problems: misplaced } = readCommandLine(argv, env);
  if (switches.has("help")) return { kind: "help" };
  const parsed = SCHEMA.safeParse(given);
  const command = readCommand(words);
  const unknown = typeof command === "string" ? [command] : [];
  const problems = [...misplaced, ...unknown, ...lonely(given)];
  if (problems.length === 0 && typeof command !== "string" && parsed.success) {
    const checkOnly = switches.has("check-config");
    return {
      kind: "config",
      config: withDefaults(parsed.data),
      command: checkOnly ? { kind: "check-config" } : command,
    };
  }
  const wrong = parsed.success ? [] : parsed.error.issues.map(({ message }) => message);
  return { kind: "problems", problems: [...problems, ...wrong], readable: readableOf(given) };
}

/** Options that mean nothing without each other. */
function lonely(given: Given): readonly string[] {
  const { tlsCertFile, tlsKeyFile } = given;
  if ((tlsCertFile === undefined) === (tlsKeyFile === undefined)) return [];
  return [`${labelOf("tlsCertFile")} and ${labelOf("tlsKeyFile")} go together; give both or none`];
}

type Read = z.infer<typeof SCHEMA>;

function withDefaults(read: Read): Config {
  return { ...read, sessionKeyFile: read.sessionKeyFile ?? join(read.dataDir, "session.key") };
}

function readableOf(given: Given): Readable {
  const read: Partial<Read> = Object.fromEntries(
    OPTION_NAMES.flatMap((name) => {
      const parsed = SCHEMA.shape[name].safeParse(given[name]);
      return parsed.success ? [[name, parsed.data]] : [];
    }),
  );
  return read.dataDir === undefined ? read : withDefaults(read as Read);
}

function option<T>(name: OptionName, read: (text: string) => T | undefined, wanted: string) {
  return z.string().transform((text, context): T => {
    const value = read(text);
    if (value !== undefined) return value;
    // Never the value itself: a URL may carry a password.
    context.addIssue({ code: "custom", message: `${labelOf(name)} must be ${wanted}` });
    return z.NEVER;
  });
}

const DEFAULT_DATA_DIR = resolve("nix-ota-data");

const SCHEMA = z.object({
  /** Where to listen. */
  listen: option("listen", readAddress, "HOST:PORT with a port from 0 to 65535").default({
    host: "127.0.0.1",
    port: 8080,
  }),
  dataDir: option("dataDir", readPath, "a directory").default(DEFAULT_DATA_DIR),
  /** PostgreSQL; undefined: the embedded database. */
  databaseUrl: option(
    "databaseUrl",
    readDatabaseUrl,
    "a URL that begins with postgres:// or postgresql://",
  ).optional(),
  /** Undefined: whoever publishes has a token of the database. */
  publishTokenFile: option("publishTokenFile", readPath, "a file").optional(),
  /** Undefined: admins have tokens of the database. */
  adminTokenFile: option("adminTokenFile", readPath, "a file").optional(),
  /** Normalised; empty: where it listens. */
  publicUrls: z
    .array(
      option(
        "publicUrls",
        normalizeServerUrl,
        "http or https URLs without user information, query and fragment",
      ),
    )
    .default([]),
  /** Networks, each with its bits; empty: the other end of a connection is the caller. */
  trustedProxies: z
    .array(option("trustedProxies", readNetwork, "networks, e.g. 10.0.0.0/8 or ::1"))
    .default([]),
  sessionKeyFile: option("sessionKeyFile", readPath, "a file").optional(),
  /** The parts of the server that run here. */
  services: option(
    "services",
    readParts,
    `some of ${PARTS.join(", ")}, each once, with commas between them`,
  ).default(PARTS),
  /** How unknown devices come to a channel that does not say. */
  enrolment: option(
    "enrolment",
    oneOf("open", "token", "approve"),
    "open, token or approve",
  ).default("open"),
  /** Devices without an enrolment token within an hour. */
  openEnrolmentsPerHour: option(
    "openEnrolmentsPerHour",
    (text) => readInteger(text, { least: 1, most: 1_000_000 }),
    "a number from 1 to 1000000",
  ).default(10_000),
  /** Devices without an enrolment token all together. */
  openEnrolments: option(
    "openEnrolments",
    (text) => readInteger(text, { least: 1, most: 10_000_000 }),
    "a number from 1 to 10000000",
  ).default(200_000),
  /** Both or none. */
  tlsCertFile: option("tlsCertFile", readPath, "a file").optional(),
  tlsKeyFile: option("tlsKeyFile", readPath, "a file").optional(),
  /** How often devices are told to report, seconds. */
  checkInIntervalS: option(
    "checkInIntervalS",
    (text) => readInteger(text, { least: 5, most: 86_400 }),
    "a number of seconds from 5 to 86400",
  ).default(60),
  /** How long events of devices are kept at least, days; 0: for ever. */
  retentionDays: option(
    "retentionDays",
    (text) => readInteger(text, { least: 0, most: 36_500 }),
    "a number of days from 0 to 36500",
  ).default(90),
  logLevel: option(
    "logLevel",
    oneOf("debug", "info", "warn", "error"),
    "debug, info, warn or error",
  ).default("info"),
});
