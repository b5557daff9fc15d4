import { chmod, mkdir, readFile, readlink, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { expect, it } from "vitest";

import { createOutput } from "../output.ts";
import { recordingHost } from "../recording-host.testkit.ts";
import { runCommand } from "../run-command.ts";
import { serverAccess, type ServerOptions } from "../server-access.ts";
import { temporaryFolder } from "../temporary-folder.testkit.ts";

/** A home folder with a configuration and a token in it. */
async function home(toml?: string) {
  const folder = await temporaryFolder();
  const file = join(folder.path, "nix-ota", "config.toml");
  await mkdir(join(folder.path, "nix-ota"));
  await writeFile(join(folder.path, "nix-ota", "prod.token"), "prod-token", { mode: 0o600 });
  if (toml !== undefined) await writeFile(file, toml);
  const env = (more: Record<string, string> = {}) => ({ XDG_CONFIG_HOME: folder.path, ...more });
  return Object.assign(folder, {
    file,
    text: async () => readFile(file, "utf8"),
    run: async (...args: string[]) => {
      const host = recordingHost({ env: env() });
      const code = await runCommand(args, host);
      return { code, out: host.out(), err: host.err() };
    },
    access: async (options: ServerOptions, more: Record<string, string> = {}) => {
      const host = recordingHost({ env: env(more) });
      const { url, token } = await serverAccess(
        options,
        host,
        createOutput(host, { json: false, quiet: false }),
      );
      return { url, token };
    },
  });
}

const TWO = `
default-context = "prod"

[context.prod]
server = "https://ota.example.com/"
token-file = "prod.token"
channel = "prod"

[context.lab]
server = "https://lab"
`;

it("keeps contexts with what belongs to them, and the first one is the default", async () => {
  await using folder = await home();
  const server = ["--server", "https://ota.example.com"];
  const set = await folder.run("context", "set", "prod", ...server, "--token-file", "/x/token");
  expect(set).toEqual({ code: 0, out: "context prod is set\n", err: "" });
  await folder.run("context", "set", "lab", "--server", "https://lab", "--channel", "lab");
  await folder.run(
    ...["context", "set", "prod", "--key", "/k/one", "--key", "/k/two"],
    ...["--substituter", "https://cache"],
  );
  expect(await folder.text()).toBe(
    [
      "# Written by nix-ota context. Comments are lost when that changes the file.",
      "",
      'default-context = "prod"',
      "",
      "[context.prod]",
      'server = "https://ota.example.com"',
      'token-file = "/x/token"',
      'substituters = [ "https://cache" ]',
      'keys = [ "/k/one", "/k/two" ]',
      "",
      "[context.lab]",
      'server = "https://lab"',
      'channel = "lab"',
      "",
    ].join("\n"),
  );
  expect((await stat(folder.file)).mode & 0o777).toBe(0o600);
});

it("lists, shows, chooses and removes contexts", async () => {
  await using folder = await home(TWO);
  expect((await folder.run("context", "list")).out).toBe(
    [
      "   CONTEXT  SERVER                    CHANNEL",
      "*  prod     https://ota.example.com/  prod",
      "   lab      https://lab               –",
      "",
    ].join("\n"),
  );
  expect((await folder.run("context", "use", "lab")).out).toBe("lab is the default context\n");
  expect((await folder.run("context", "show")).out).toBe(
    "context  lab\ndefault  yes\nserver   https://lab\n",
  );
  expect((await folder.run("context", "remove", "lab")).out).toBe("context lab is gone\n");
  expect(JSON.parse((await folder.run("context", "list", "--json")).out)).toEqual({
    file: folder.file,
    chosen: null,
    contexts: [
      {
        name: "prod",
        default: false,
        server: "https://ota.example.com/",
        tokenFile: "prod.token",
        channel: "prod",
        substituters: [],
        keys: [],
      },
    ],
  });
});

it("an empty value takes what a context said away", async () => {
  await using folder = await home(TWO);
  await folder.run("context", "set", "prod", "--channel", "", "--token-file", "");
  expect(await folder.text()).toContain('[context.prod]\nserver = "https://ota.example.com/"\n\n');
});

it("says what to do when there is no context yet", async () => {
  await using folder = await home();
  expect((await folder.run("context", "list")).out).toMatch(/nix-ota context set <name> --server/u);
  expect(await folder.run("context", "show", "prod")).toEqual({
    code: 2,
    out: "",
    err: 'error: there is no context "prod"; nix-ota context set makes one\n',
  });
});

it("flags win over the environment, and that over the default context", async () => {
  await using folder = await home(TWO);
  expect(await folder.access({})).toEqual({ url: "https://ota.example.com", token: "prod-token" });
  const env = { NIX_OTA_SERVER: "https://env", NIX_OTA_TOKEN: "env-token" };
  expect(await folder.access({}, env)).toEqual({ url: "https://env", token: "env-token" });
  expect(await folder.access({}, { NIX_OTA_TOKEN: "env-token" })).toEqual({
    url: "https://ota.example.com",
    token: "env-token",
  });
  expect(await folder.access({ server: "https://flag", token: "flag" }, env)).toEqual({
    url: "https://flag",
    token: "flag",
  });
});

it("a context named on the command line wins over the environment, one named in it does not", async () => {
  await using folder = await home(TWO);
  const env = { NIX_OTA_SERVER: "https://env", NIX_OTA_TOKEN: "env-token" };
  expect(await folder.access({ context: "prod" }, env)).toEqual({
    url: "https://ota.example.com",
    token: "prod-token",
  });
  expect(await folder.access({}, { ...env, NIX_OTA_CONTEXT: "lab" })).toMatchObject({
    url: "https://env",
  });
  expect(await folder.access({}, { NIX_OTA_CONTEXT: "lab" })).toMatchObject({ url: "https://lab" });
});

it("shows a context's token to the context's server alone", async () => {
  await using folder = await home(TWO);
  expect(await folder.access({ server: "https://evil" })).toEqual({
    url: "https://evil",
    token: undefined,
  });
  expect(await folder.access({ context: "prod", server: "https://evil" })).toMatchObject({
    token: undefined,
  });
  expect(await folder.access({ server: "https://ota.example.com" })).toMatchObject({
    token: "prod-token",
  });
});

it("a publish that names no channel, key and cache takes the context's", async () => {
  await using folder = await home(`${TWO}keys = ["/absent.key"]\nsubstituters = ["https://c"]\n`);
  const lab = ["publish", "--store-path", "/nix/store/x", "--context", "lab"];
  expect((await folder.run(...lab)).err).toBe(
    "error: no channel is named; give --channel, or set one in the context\n",
  );
  expect((await folder.run(...lab, "--channel", "lab")).err).toMatch(/key file \/absent\.key /u);
});

it.each([
  ["[context.prod\n", /config\.toml:1:14: no TOML: illegal character in key\n$/u],
  ['[context.prod]\nserver = "x\n', /config\.toml:2:12: no TOML: /u],
  [
    '[context.prod]\ntoken = "secret"\n',
    /token of context prod: a token is never kept here; put it/u,
  ],
  [
    '[context.prod]\nservre = "x"\n',
    /servre of context prod is no key; there are server, token-file/u,
  ],
  ["[context.prod]\nserver = 1\n", /server of context prod is no text\n$/u],
  ['[context.prod]\nkeys = "x"\n', /keys of context prod is no list of texts\n$/u],
  ['[context."Prod 1"]\n', /context "Prod 1" is no table with a name/u],
  ["context = [1]\n", /context is no table/u],
  ['default-context = "gone"\n', /default-context names "gone", which is no context/u],
  ['defualt-context = "prod"\n', /"defualt-context" is no key/u],
])("a wrong file %j is one sentence, and never shows a secret", async (toml, sentence) => {
  await using folder = await home(toml);
  const { code, out, err } = await folder.run("context", "list");
  expect({ code, out, lines: err.split("\n").length }).toEqual({ code: 1, out: "", lines: 2 });
  expect(err).toMatch(sentence);
  expect(err).not.toContain("secret");
});

it("warns before comments are lost, and keeps a link to the file", async () => {
  await using folder = await home();
  const elsewhere = join(folder.path, "dotfiles.toml");
  await writeFile(elsewhere, `# mine\n${TWO}`);
  await symlink(elsewhere, folder.file);
  const { err } = await folder.run("context", "use", "lab");
  expect(err).toBe(`warning: the comments in ${folder.file} are lost by this change\n`);
  expect(await readlink(folder.file)).toBe(elsewhere);
  expect(await readFile(elsewhere, "utf8")).toContain('default-context = "lab"');
  expect((await folder.run("context", "use", "prod")).err).toBe("");
});

it("leaves the file as it was when it cannot be written", async () => {
  await using folder = await home(TWO);
  // A folder in the way of the file beside is what root cannot write over either.
  await mkdir(`${folder.file}.${process.pid}.tmp`);
  await chmod(folder.file, 0o600);
  const { code, err } = await folder.run("context", "use", "lab");
  expect({ code, err }).toEqual({
    code: 1,
    err: `error: ${folder.file} cannot be written; check its folder, or change it where it is managed\n`,
  });
  expect(await folder.text()).toBe(TWO);
});
