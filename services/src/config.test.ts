import { resolve } from "node:path";

import { expect, test } from "vitest";

import { parseConfig } from "./config.ts";
import { OPTIONS, usage } from "./options.ts";

test("without options it listens on loopback and keeps everything in ./nix-ota-data", () => {
  expect(parseConfig([], {})).toEqual({
    kind: "config",
    config: {
      listen: { host: "127.0.0.1", port: 8080 },
      dataDir: resolve("nix-ota-data"),
      databaseUrl: undefined,
      publishTokenFile: undefined,
      publicUrls: [],
      sessionKeyFile: resolve("nix-ota-data/session.key"),
      checkInIntervalS: 60,
      logLevel: "info",
    },
  });
});

test("a flag wins over its variable, and an empty variable is none", () => {
  const env = {
    NIX_OTA_LISTEN: "0.0.0.0:1",
    NIX_OTA_DATA_DIR: "/env",
    NIX_OTA_PUBLIC_URLS: "https://a.example.org/, http://B.example.org:80",
    NIX_OTA_LOG_LEVEL: "",
    DATABASE_URL: "postgresql:///ota",
  };
  const argv = ["--listen", "[::1]:0", "--session-key-file", "/run/key"];
  expect(parseConfig(argv, env)).toMatchObject({
    config: {
      listen: { host: "::1", port: 0 },
      dataDir: "/env",
      publicUrls: ["https://a.example.org", "http://b.example.org"],
      sessionKeyFile: "/run/key",
      databaseUrl: "postgresql:///ota",
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
  const result = parseConfig(["--listen", "8080", "--check-in-interval", "4"], env);
  expect(result).toEqual({
    kind: "problems",
    problems: [
      "--listen (NIX_OTA_LISTEN) must be HOST:PORT with a port from 0 to 65535",
      "DATABASE_URL must be a URL that begins with postgres:// or postgresql://",
      "--public-url (NIX_OTA_PUBLIC_URLS) must be http or https URLs without user information, query and fragment",
      "--check-in-interval (NIX_OTA_CHECK_IN_INTERVAL) must be a number of seconds from 5 to 86400",
    ],
  });
  expect(parseConfig(["--unknown"], {})).toMatchObject({ kind: "problems" });
});

test("help names every option and variable", () => {
  expect(parseConfig(["--help"], {})).toEqual({ kind: "help" });
  for (const { flag, variable } of Object.values(OPTIONS)) {
    expect(usage()).toContain(variable);
    if (flag !== undefined) expect(usage()).toContain(`--${flag} `);
  }
});
