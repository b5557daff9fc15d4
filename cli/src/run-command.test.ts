import { readFile } from "node:fs/promises";
import { join } from "node:path";

import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { expect, it } from "vitest";

import { createProgram } from "./program.ts";
import { recordingHost } from "./recording-host.testkit.ts";
import { runCommand } from "./run-command.ts";
import { temporaryFolder } from "./temporary-folder.testkit.ts";
import { VERSION } from "./version.ts";

async function run(...args: string[]) {
  const host = recordingHost();
  const code = await runCommand(args, host);
  return { code, out: host.out(), err: host.err() };
}

it("prints help and version on stdout and ends with 0", async () => {
  expect(await run("--help")).toMatchObject({ code: 0, err: "" });
  expect((await run("--help")).out).toContain("Exit codes: 0 done");
  expect(await run("--version")).toEqual({ code: 0, out: `${VERSION}\n`, err: "" });
});

it("has the version of its package", async () => {
  const text = await readFile(new URL("../package.json", import.meta.url), "utf8");
  expect(VERSION).toBe(JSON.parse(text).version);
});

/** Every command that does something, as people type it. */
function commandNames(of: CommandUnknownOpts, before: readonly string[] = []): string[] {
  return of.commands.flatMap((command) => {
    const name = [...before, command.name()];
    return command.commands.length > 0 ? commandNames(command, name) : [name.join(" ")];
  });
}

it.each(commandNames(createProgram(recordingHost())))(
  "%s has help with an example",
  async (command) => {
    const { code, out } = await run(...command.split(" "), "--help");
    expect(code).toBe(0);
    expect(out).toMatch(new RegExp(`Examples?:\\n(?:.*\\n)*  nix-ota ${command}\\s`, "u"));
    expect(out).toContain("--json");
  },
);

it.each([
  [["devcie"], "error: unknown command 'devcie' (Did you mean device?); see nix-ota --help\n"],
  [["keygen"], "error: required option '--out <file>' not specified; see nix-ota keygen --help\n"],
  [["device", "why"], "error: missing required argument 'device'; see nix-ota device why --help\n"],
  [
    ["device", "why", "Fridge/7", "--server", "http://127.0.0.1:1"],
    'error: device "Fridge/7" is no name: lower-case letters, digits, dots, dashes and underscores, at most 63\n',
  ],
  [
    ["device", "list"],
    "error: no server is named; give --server, set NIX_OTA_SERVER, or make a context with nix-ota context set\n",
  ],
])("a wrong command line %j ends with 2 and one sentence", async (args, err) => {
  expect(await run(...args)).toEqual({ code: 2, out: "", err });
});

const PUBLISH = ["publish", "--server", "http://127.0.0.1:1", "--channel", "prod", "--store-path"];

it.each([
  [
    ["/nix/store/x", "--key", "k", "--substituter", "https://c?trusted=1"],
    /"https:\/\/c\?trusted=1" is no plain https/u,
  ],
  [
    ["/nix/store/x", "--key", "k", "--substituter", "https://c", "--threshold", "2"],
    /--threshold "2" is not 1 to 1/u,
  ],
  [
    ["/nix/store/x", "--key", "k", "--substituter", "https://c", "--revision", "0"],
    /--revision "0" is not 1 to/u,
  ],
  [
    ["/nix/store/x", "--key", "k", "--substituter", "https://c", "--not-after", "2020-01-01"],
    /is in the past/u,
  ],
  [
    ["/nix/store/x", "--key", "k", "--substituter", "https://c", "--message", "a\nb"],
    /has several lines/u,
  ],
  [["/nix/store/x", "--key", "k", "--substituter", "https://c", "--trust-cache"], /say --system/u],
  [
    ["/nix/store/x", "--key", "k", "--substituter", "https://c", "--target", "Front"],
    /--target "Front" is no name/u,
  ],
  [["/nix/store/x", "--substituter", "https://c"], /no signing key is named/u],
  [["/nix/store/x", "--key", "k"], /no cache is named/u],
])("publish %j is refused before anything is read", async (rest, message) => {
  const { code, err } = await run(...PUBLISH, ...rest);
  expect(code).toBe(2);
  expect(err).toMatch(message);
});

it("ends with 1 when the server cannot be reached, naming it and what to check", async () => {
  const { code, err } = await run("device", "list", "--server", "http://127.0.0.1:1");
  expect(code).toBe(1);
  expect(err).toMatch(
    /^error: http:\/\/127\.0\.0\.1:1 cannot be reached: .*; check --server and the network\n$/u,
  );
});

it("shows where an error comes from only with --debug", async () => {
  await using folder = await temporaryFolder();
  const out = join(folder.path, "absent", "key");
  const plain = await run("keygen", "--out", out);
  expect(plain).toMatchObject({ code: 1, out: "" });
  expect(plain.err.trim().split("\n")).toHaveLength(1);
  const debug = await run("keygen", "--out", out, "--debug");
  expect(debug.err).toMatch(/\n +at /u);
  expect(debug.err).toContain("ENOENT");
});

it("keygen prints JSON when asked, and nothing else on stdout", async () => {
  await using folder = await temporaryFolder();
  const { out } = await run("keygen", "--out", join(folder.path, "k.key"), "--json");
  expect(JSON.parse(out)).toMatchObject({
    publicKey: expect.stringMatching(/^k:/u),
    encrypted: false,
  });
});
