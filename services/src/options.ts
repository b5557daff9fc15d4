import { COMMANDS } from "./commands.ts";

/** One option of the program. A flag wins over its variable. */
interface Option {
  /** Without the dashes; undefined: a variable alone. */
  readonly flag: string | undefined;
  /** Placeholder for the flag's value. */
  readonly value: string | undefined;
  /** Environment variable; an empty one counts as unset. */
  readonly variable: string;
  readonly meaning: string;
  /** Whether the flag can be given more than once, and the variable has commas. */
  readonly repeats?: true;
}

/** Every option that has a value. Parser and `--help` are made from it. */
export const OPTIONS = {
  listen: {
    flag: "listen",
    value: "HOST:PORT",
    variable: "NIX_OTA_LISTEN",
    meaning: "where to listen; port 0 takes a free one (default 127.0.0.1:8080)",
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
  adminTokenFile: {
    flag: "admin-token-file",
    value: "FILE",
    variable: "NIX_OTA_ADMIN_TOKEN_FILE",
    meaning: "file with a secret of at least 32 bytes, whose bearer is an admin",
  },
  publicUrls: {
    flag: "public-url",
    value: "URL",
    variable: "NIX_OTA_PUBLIC_URLS",
    repeats: true,
    meaning:
      "URL by which devices know this server; may be repeated, commas in the variable (default: where it listens)",
  },
  trustedProxies: {
    flag: "trusted-proxy",
    value: "CIDR",
    variable: "NIX_OTA_TRUSTED_PROXIES",
    repeats: true,
    meaning:
      "network of proxies in front, whose X-Forwarded-For tells the caller's address; may be repeated, commas in the variable (default: none)",
  },
  sessionKeyFile: {
    flag: "session-key-file",
    value: "FILE",
    variable: "NIX_OTA_SESSION_KEY_FILE",
    meaning:
      "key of device sessions, shared by replicas (default DIR/session.key, made on first start)",
  },
  services: {
    flag: "services",
    value: "NAMES",
    variable: "NIX_OTA_SERVICES",
    meaning:
      "parts to run, with commas between them: publish, channel, checkin, access (default: all)",
  },
  enrolment: {
    flag: "enrolment",
    value: "MODE",
    variable: "NIX_OTA_ENROLMENT",
    meaning:
      "how unknown devices come to a channel that does not say, or is not there yet: open (the first key seen for an id is pinned), token (only by an enrolment token) or approve (an operator accepts them) (default open)",
  },
  openEnrolmentsPerHour: {
    flag: "open-enrolments-per-hour",
    value: "NUMBER",
    variable: "NIX_OTA_OPEN_ENROLMENTS_PER_HOUR",
    meaning:
      "how many unknown devices may come without an enrolment token within an hour, 1 to 1000000 (default 10000)",
  },
  openEnrolments: {
    flag: "open-enrolments",
    value: "NUMBER",
    variable: "NIX_OTA_OPEN_ENROLMENTS",
    meaning:
      "how many devices that came without an enrolment token are held at most, 1 to 10000000 (default 200000)",
  },
  tlsCertFile: {
    flag: "tls-cert",
    value: "FILE",
    variable: "NIX_OTA_TLS_CERT_FILE",
    meaning:
      "certificate and its chain (PEM), to speak TLS; read again when it changes (default: no TLS)",
  },
  tlsKeyFile: {
    flag: "tls-key",
    value: "FILE",
    variable: "NIX_OTA_TLS_KEY_FILE",
    meaning: "private key of the certificate (PEM)",
  },
  checkInIntervalS: {
    flag: "check-in-interval",
    value: "SECONDS",
    variable: "NIX_OTA_CHECK_IN_INTERVAL",
    meaning: "how often devices are told to report, 5 to 86400 (default 60)",
  },
  retentionDays: {
    flag: "retention-days",
    value: "DAYS",
    variable: "NIX_OTA_RETENTION_DAYS",
    meaning:
      "how long events of devices are kept, and up to a month longer, 0 to 36500; 0: for ever (default 90)",
  },
  logLevel: {
    flag: "log-level",
    value: "LEVEL",
    variable: "NIX_OTA_LOG_LEVEL",
    meaning: "debug, info, warn or error (default info)",
  },
} as const satisfies Readonly<Record<string, Option>>;

export type OptionName = keyof typeof OPTIONS;

export const OPTION_NAMES = Object.keys(OPTIONS) as readonly OptionName[];

/** What is asked for instead of a running server; flags without a value. */
export const SWITCHES = {
  "check-config": "tell whether options and the files they name are right, and end",
  help: "this text",
} as const;

export type SwitchName = keyof typeof SWITCHES;

/** One option, whatever its name. */
export function optionOf(name: OptionName): Option {
  return OPTIONS[name];
}

/** How an option is called where a person set it. */
export function labelOf(name: OptionName): string {
  const { flag, variable } = optionOf(name);
  return flag === undefined ? variable : `--${flag} (${variable})`;
}

const WIDTH = 34;

const COMMAND_LINES = Object.entries(COMMANDS).map(([name, { argument, meaning }]) => ({
  call: argument === undefined ? name : `${name} ${argument}`,
  meaning,
}));

/** The text of `--help`. */
export function usage(): string {
  const rows = OPTION_NAMES.map(optionOf).flatMap(({ flag, value, variable, meaning }) => [
    row(flag === undefined ? variable : `--${flag} ${value}`, meaning),
    ...(flag === undefined ? [] : [row("", `environment: ${variable}`)]),
  ]);
  return [
    "Usage: nix-ota-server [options]",
    ...COMMAND_LINES.map(({ call }) => `       nix-ota-server [options] ${call}`),
    "",
    "Keeps signed releases for fleets of NixOS devices and hears how they fare.",
    "",
    ...COMMAND_LINES.map(({ call, meaning }) => row(call, meaning)),
    "",
    ...rows,
    ...Object.entries(SWITCHES).map(([flag, meaning]) => row(`--${flag}`, meaning)),
    "",
    "Exit codes: 0 done, or ended by SIGTERM or SIGINT, 1 failure, 2 wrong options or files,",
    "3 the database belongs to a later version.",
    "",
  ].join("\n");
}

function row(name: string, meaning: string): string {
  return `  ${name.padEnd(WIDTH)}${meaning}`;
}
