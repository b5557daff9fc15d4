import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { expect, it } from "vitest";

import { createOutput } from "./output.ts";
import { recordingHost } from "./recording-host.testkit.ts";
import { serverAccess, type ServerOptions } from "./server-access.ts";
import { temporaryFolder } from "./temporary-folder.testkit.ts";

async function access(options: ServerOptions, env: Record<string, string> = {}) {
  const host = recordingHost({ env });
  const given = await serverAccess(
    options,
    host,
    createOutput(host, { json: false, quiet: false }),
  );
  return { ...given, warned: host.err() };
}

const SERVER = "https://ota.example.com/";

it("takes flags before the environment", async () => {
  const env = { NIX_OTA_SERVER: "https://other", NIX_OTA_TOKEN: "env" };
  expect(await access({ server: SERVER }, env)).toEqual({
    url: "https://ota.example.com",
    token: "env",
    context: undefined,
    warned: "",
  });
  expect(await access({ token: "flag" }, env)).toMatchObject({
    url: "https://other",
    token: "flag",
  });
});

it("warns that a token on the command line is seen by everybody", async () => {
  const { warned } = await access({ server: SERVER, token: "secret" });
  expect(warned).toMatch(/process list; use --token-file or NIX_OTA_TOKEN/u);
  expect(warned).not.toContain("secret");
});

it("reads a token file without its line feed", async () => {
  await using folder = await temporaryFolder();
  const tokenFile = join(folder.path, "token");
  await writeFile(tokenFile, "nota_1_abc\n", { mode: 0o600 });
  expect(await access({ server: SERVER, tokenFile })).toMatchObject({
    token: "nota_1_abc",
    warned: "",
  });
});

it("warns of a token file that others can read, and says what to run", async () => {
  await using folder = await temporaryFolder();
  const tokenFile = join(folder.path, "the token");
  await writeFile(tokenFile, "nota_1_abc");
  await chmod(tokenFile, 0o640);
  expect(await access({ server: SERVER, tokenFile })).toMatchObject({
    token: "nota_1_abc",
    warned: `warning: token file ${tokenFile} is open to others (mode 640); run: chmod 600 '${tokenFile}'\n`,
  });
});

it("reads no more of a token file than a token has", async () => {
  await using folder = await temporaryFolder();
  const tokenFile = join(folder.path, "token");
  await writeFile(tokenFile, "x".repeat(5000), { mode: 0o600 });
  await expect(access({ server: SERVER, tokenFile })).rejects.toThrow(/does not hold a token/u);
});

it("warns when a token travels unencrypted, but not on this machine", async () => {
  const env = { NIX_OTA_TOKEN: "t" };
  expect((await access({ server: "http://ota.lan:8080" }, env)).warned).toMatch(
    /unencrypted to ota\.lan:8080/u,
  );
  for (const server of ["http://127.0.0.1:8080", "http://localhost:8080", "http://[::1]:8080"])
    expect((await access({ server }, env)).warned).toBe("");
});

it.each<[string, ServerOptions, RegExp]>([
  ["no server", {}, /give --server, set NIX_OTA_SERVER, or make a context/u],
  ["a server that is no URL", { server: "ota" }, /is no server URL/u],
  ["a URL with a password in it", { server: "https://a:b@ota" }, /is no server URL/u],
  ["two tokens", { server: SERVER, token: "a", tokenFile: "b" }, /both given/u],
  ["a token with a line break", { server: SERVER, token: "a\nb" }, /does not hold a token/u],
  ["a token file that is absent", { server: SERVER, tokenFile: "/absent" }, /cannot be read/u],
])("refuses %s", async (_, options, message) => {
  await expect(access(options)).rejects.toThrow(message);
});
