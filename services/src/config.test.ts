import { resolve } from "node:path";

import { expect, test } from "vitest";

import { parseConfig } from "./config.ts";
import { labelOf, OPTION_NAMES, optionOf, SWITCHES, usage } from "./options.ts";

test("without options it listens on loopback and keeps everything in ./nix-ota-data", () => {
  expect(parseConfig([], {})).toEqual({
    kind: "config",
    command: { kind: "serve" },
    config: {
      listen: { host: "127.0.0.1", port: 8080 },
      dataDir: resolve("nix-ota-data"),
      databaseUrl: undefined,
      publishTokenFile: undefined,
      adminTokenFile: undefined,
      publicUrls: [],
      trustedProxies: [],
      sessionKeyFile: resolve("nix-ota-data/session.key"),
      services: ["publish", "channel", "checkin", "access"],
      enrolment: "open",
      openEnrolmentsPerHour: 10_000,
      openEnrolments: 200_000,
      checkInIntervalS: 60,
      retentionDays: 90,
      logLevel: "info",
    },
  });
});

test("a flag wins over its variable, and an empty variable is none", () => {
  const env = {
    NIX_OTA_LISTEN: "0.0.0.0:1",
    NIX_OTA_DATA_DIR: "/env",
    NIX_OTA_PUBLIC_URLS: "https://a.example.org/, http://B.example.org:80",
    NIX_OTA_SERVICES: "checkin, channel",
    NIX_OTA_LOG_LEVEL: "",
    DATABASE_URL: "postgresql:///ota",
  };
  const argv = ["--listen", "[::1]:0", "--session-key-file=/run/key", "--check-config"];
  expect(parseConfig(argv, env)).toMatchObject({
    command: { kind: "check-config" },
    config: {
      listen: { host: "::1", port: 0 },
      dataDir: "/env",
      publicUrls: ["https://a.example.org", "http://b.example.org"],
      sessionKeyFile: "/run/key",
      databaseUrl: "postgresql:///ota",
      services: ["channel", "checkin"],
      logLevel: "info",
    },
  });
  const repeated = [
    "--public-url",
    "https://a.example.org",
    "--public-url",
    "https://b.example.org",
  ];
  expect(parseConfig(repeated, env)).toMatchObject({
    config: { publicUrls: ["https://a.example.org", "https://b.example.org"] },
  });
});

test("every problem is told at once, without the values, which may be secrets", () => {
  const env = { DATABASE_URL: "mysql://user:hunter2@host/db", NIX_OTA_PUBLIC_URLS: "ftp://x" };
  const argv = [
    ...["hunter2", "--unknown=hunter2", "--help=hunter2", "--listen", "8080"],
    ...["--check-in-interval", "4", "--services", "publish,publish", "--data-dir", "--log-level"],
  ];
  const result = parseConfig(argv, env);
  expect(result).toMatchObject({
    kind: "problems",
    problems: [
      "there is no option --unknown",
      "--help takes no value",
      "--data-dir needs a value: DIR",
      "there is no such command; one of export, import, restored, or none to serve",
      "--listen (NIX_OTA_LISTEN) must be HOST:PORT with a port from 0 to 65535",
      "DATABASE_URL must be a URL that begins with postgres:// or postgresql://",
      "--public-url (NIX_OTA_PUBLIC_URLS) must be http or https URLs without user information, query and fragment",
      "--services (NIX_OTA_SERVICES) must be some of publish, channel, checkin, access, each once, with commas between them",
      "--check-in-interval (NIX_OTA_CHECK_IN_INTERVAL) must be a number of seconds from 5 to 86400",
    ],
  });
  expect(JSON.stringify(result)).not.toContain("hunter2");
});

test.each([
  [["export", "/b"], { kind: "export", file: "/b" }],
  [["--data-dir", "/d", "import", "/b"], { kind: "import", file: "/b" }],
  [["restored"], { kind: "restored" }],
  [["export"], "export needs a FILE after it"],
  [["import", "/b", "/c"], "import takes nothing more"],
  [["restored", "/b"], "restored takes nothing more"],
])("%j asks for %j", (argv, asked) => {
  const result = parseConfig(argv, {});
  expect(result).toMatchObject(
    typeof asked === "string" ? { problems: [asked] } : { command: asked },
  );
});

test("a certificate without a key, or a key without a certificate, is a problem", () => {
  const problems = [
    "--tls-cert (NIX_OTA_TLS_CERT_FILE) and --tls-key (NIX_OTA_TLS_KEY_FILE) go together; give both or none",
  ];
  expect(parseConfig(["--tls-cert", "/crt"], {})).toMatchObject({ problems });
  expect(parseConfig([], { NIX_OTA_TLS_KEY_FILE: "/key" })).toMatchObject({ problems });
  expect(parseConfig(["--tls-cert", "/crt", "--tls-key", "/key"], {})).toMatchObject({
    config: { tlsCertFile: "/crt", tlsKeyFile: "/key" },
  });
});

test("what can be read beside a problem is handed on, to be looked at as well", () => {
  const argv = ["--listen", "8080", "--data-dir", "/srv", "--publish-token-file", "/token"];
  expect(parseConfig(argv, {})).toMatchObject({
    readable: {
      dataDir: "/srv",
      publishTokenFile: "/token",
      sessionKeyFile: "/srv/session.key",
    },
  });
});

test.each([
  ["postgres://ota@/nix_ota?host=/run/postgresql", true],
  ["postgres://one:5432,two:5433/nix_ota", true],
  ["postgres://user:p%40ss@host:5432/db", true],
  ["postgres://user:p%ss@host/db", false],
  ["postgres://host:port/db", false],
  ["postgres://one,two:99999/db", false],
  ["postgres:host", false],
])("whether %s is a database's URL: %s", (url, good) => {
  expect(parseConfig([], { DATABASE_URL: url }).kind).toBe(good ? "config" : "problems");
});

test("help names every option and variable", () => {
  expect(parseConfig(["--help"], {})).toEqual({ kind: "help" });
  for (const name of OPTION_NAMES) {
    const { flag, variable } = optionOf(name);
    expect(usage()).toContain(variable);
    if (flag !== undefined) expect(usage()).toContain(`--${flag} `);
    expect(labelOf(name)).toContain(variable);
  }
  for (const flag of Object.keys(SWITCHES)) expect(usage()).toContain(`--${flag} `);
});
