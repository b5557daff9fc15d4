/**
 * The options of the program: flag, environment variable and meaning, from
 * which both the parser and `--help` are made. A flag wins over its variable.
 */
export const OPTIONS = {
  listen: {
    flag: "listen",
    value: "HOST:PORT",
    variable: "NIX_OTA_LISTEN",
    meaning: "where to listen, without TLS; port 0 takes a free one (default 127.0.0.1:8080)",
  },
  dataDir: {
    flag: "data-dir",
    value: "DIR",
    variable: "NIX_OTA_DATA_DIR",
    meaning: "session key and, without DATABASE_URL, the database (default ./nix-ota-data)",
  },
  databaseUrl: {
    flag: undefined,
    value: undefined,
    variable: "DATABASE_URL",
    meaning: "PostgreSQL to use; without it the embedded database in the data directory",
  },
  publishTokenFile: {
    flag: "publish-token-file",
    value: "FILE",
    variable: "NIX_OTA_PUBLISH_TOKEN_FILE",
    meaning:
      "file with a secret of at least 32 bytes, whose bearer may publish on any channel and read",
  },
  publicUrls: {
    flag: "public-url",
    value: "URL",
    variable: "NIX_OTA_PUBLIC_URLS",
    meaning:
      "URL by which devices know this server; may be repeated, commas in the variable (default: where it listens)",
  },
  sessionKeyFile: {
    flag: "session-key-file",
    value: "FILE",
    variable: "NIX_OTA_SESSION_KEY_FILE",
    meaning:
      "key of device sessions, shared by replicas (default DIR/session.key, made on first start)",
  },
  checkInIntervalS: {
    flag: "check-in-interval",
    value: "SECONDS",
    variable: "NIX_OTA_CHECK_IN_INTERVAL",
    meaning: "how often devices are told to report, 5 to 86400 (default 60)",
  },
  logLevel: {
    flag: "log-level",
    value: "LEVEL",
    variable: "NIX_OTA_LOG_LEVEL",
    meaning: "debug, info, warn or error (default info)",
  },
} as const;

export type OptionName = keyof typeof OPTIONS;

const WIDTH = 34;

/** The text of `--help`. */
export function usage(): string {
  const rows = Object.values(OPTIONS).flatMap(({ flag, value, variable, meaning }) => [
    `  ${(flag === undefined ? variable : `--${flag} ${value}`).padEnd(WIDTH)}${meaning}`,
    ...(flag === undefined ? [] : [`  ${" ".repeat(WIDTH)}environment: ${variable}`]),
  ]);
  return [
    "Usage: nix-ota-server [options]",
    "",
    "Keeps signed releases for fleets of NixOS devices and hears how they fare.",
    "",
    ...rows,
    `  ${"--help".padEnd(WIDTH)}this text`,
    "",
    "Exit codes: 0 ended by SIGTERM or SIGINT, 1 failure, 2 wrong options,",
    "3 the database belongs to a later version.",
    "",
  ].join("\n");
}
