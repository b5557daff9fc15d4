import { readFile } from "node:fs/promises";

import { CliError } from "./cli-error.ts";
import type { Host } from "./host.ts";
import type { Output } from "./output.ts";

/** How a command line says which server and by what right. */
export interface ServerOptions {
  server?: string | undefined;
  token?: string | undefined;
  tokenFile?: string | undefined;
}

/** Where to call, and the credential. */
export interface ServerAccess {
  url: string;
  token: string | undefined;
}

const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/u;

/**
 * Flags win over the environment: `NIX_OTA_SERVER`, `NIX_OTA_TOKEN`.
 *
 * @throws {CliError} `usage` without a server, `file` when the token cannot be read.
 */
export async function serverAccess(
  options: ServerOptions,
  host: Host,
  output: Output,
): Promise<ServerAccess> {
  const url = serverUrl(options.server ?? host.env["NIX_OTA_SERVER"]);
  const token = await readToken(options, host, output);
  if (token !== undefined && url.protocol === "http:" && !LOOPBACK.test(url.hostname))
    output.warn(`the token travels unencrypted to ${url.host}; use https`);
  return { url: url.href.replace(/\/$/u, ""), token };
}

function serverUrl(text: string | undefined): URL {
  if (text === undefined || text === "")
    throw new CliError("usage", "no server is named; give --server or set NIX_OTA_SERVER");
  const url = URL.parse(text);
  if (url === null || !/^https?:$/u.test(url.protocol) || url.username || url.search || url.hash)
    throw new CliError(
      "usage",
      `${JSON.stringify(text)} is no server URL; write it as https://ota.example.com`,
    );
  return url;
}

async function readToken(
  options: ServerOptions,
  host: Host,
  output: Output,
): Promise<string | undefined> {
  if (options.token !== undefined && options.tokenFile !== undefined)
    throw new CliError("usage", "--token and --token-file are both given; leave one out");
  if (options.token !== undefined) {
    output.warn(
      "every user of this machine can see --token in the process list; use --token-file or NIX_OTA_TOKEN",
    );
    return usable(options.token, "--token");
  }
  if (options.tokenFile !== undefined)
    return usable(await readTokenFile(options.tokenFile), options.tokenFile);
  const token = host.env["NIX_OTA_TOKEN"];
  return token === undefined || token === "" ? undefined : usable(token, "NIX_OTA_TOKEN");
}

async function readTokenFile(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw new CliError("file", `token file ${file} cannot be read; check --token-file`, {
      cause: error,
    });
  }
}

/** A token is one header value: what cannot be one would fail later and less clearly. */
function usable(text: string, origin: string): string {
  const token = text.trim();
  if (!/^[\x21-\x7e]{1,4096}$/u.test(token))
    throw new CliError("file", `${origin} does not hold a token: one line without blanks`);
  return token;
}
