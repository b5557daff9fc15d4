import { CliError } from "./cli-error.ts";
import { chosenContext, type ChosenContext } from "./context/chosen-context.ts";
import type { Host } from "./host.ts";
import type { Output } from "./output.ts";
import { readPrivateFile } from "./private-file.ts";
import { shellWord } from "./shell-word.ts";

/** How a command line says which server and by what right. */
export interface ServerOptions {
  context?: string | undefined;
  server?: string | undefined;
  token?: string | undefined;
  tokenFile?: string | undefined;
}

/** Where to call, and the credential. */
export interface ServerAccess {
  url: string;
  token: string | undefined;
  /** What else the context says, where there is one. */
  context: ChosenContext | undefined;
}

/** A token is one header value. */
const TOKEN_LIMIT_BYTES = 4096;

const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/u;

/**
 * Flags win over the environment (`NIX_OTA_SERVER`, `NIX_OTA_TOKEN`), that over the context; a
 * context that `--context` names wins over the environment as well.
 *
 * @throws {CliError} `usage` without a server, `file` when the token cannot be read.
 */
export async function serverAccess(
  options: ServerOptions,
  host: Host,
  output: Output,
): Promise<ServerAccess> {
  const context = await chosenContext(options, host);
  const url = serverUrl(options, host, context);
  const contextFile = contextTokenFile(context, url);
  const token = await readToken(options, host, output, contextFile);
  if (token !== undefined && isInTheClear(url))
    output.warn(`the token travels unencrypted to ${url.host}; use https`);
  return { url: withoutSlash(url), token, context };
}

/** Whether calls go unencrypted over a network. */
export function isInTheClear(url: URL): boolean {
  return url.protocol === "http:" && !LOOPBACK.test(url.hostname);
}

function serverUrl(options: ServerOptions, host: Host, context: ChosenContext | undefined): URL {
  const variable = host.env["NIX_OTA_SERVER"] || undefined;
  const [first, second] = context?.byFlag
    ? [context.server, variable]
    : [variable, context?.server];
  const text = options.server ?? first ?? second ?? "";
  if (text === "")
    throw new CliError(
      "usage",
      "no server is named; give --server, set NIX_OTA_SERVER, or make a context with nix-ota context set",
    );
  const url = parseServerUrl(text);
  if (url === undefined)
    throw new CliError(
      "usage",
      `${JSON.stringify(text)} is no server URL; write it as https://ota.example.com`,
    );
  return url;
}

/** A server's URL as people give it, undefined for anything else. */
export function parseServerUrl(text: string): URL | undefined {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/u.test(url.protocol)) return undefined;
  return url.username || url.search || url.hash ? undefined : url;
}

/** A context's token is for the context's server: another one must not be shown it. */
function contextTokenFile(context: ChosenContext | undefined, url: URL): string | undefined {
  if (context?.server === undefined) return context?.tokenFile;
  const own = parseServerUrl(context.server);
  return own !== undefined && withoutSlash(own) === withoutSlash(url)
    ? context.tokenFile
    : undefined;
}

function withoutSlash(url: URL): string {
  return url.href.replace(/\/$/u, "");
}

async function readToken(
  options: ServerOptions,
  host: Host,
  output: Output,
  contextFile: string | undefined,
): Promise<string | undefined> {
  if (options.token !== undefined && options.tokenFile !== undefined)
    throw new CliError("usage", "--token and --token-file are both given; leave one out");
  if (options.token !== undefined) {
    output.warn(
      "every user of this machine can see --token in the process list; use --token-file or NIX_OTA_TOKEN",
    );
    return usable(options.token, "--token");
  }
  const variable = host.env["NIX_OTA_TOKEN"] || undefined;
  const isContextFirst = options.context !== undefined || variable === undefined;
  const file = options.tokenFile ?? (isContextFirst ? contextFile : undefined);
  if (file !== undefined) return usable(await readTokenFile(file, output), file);
  return variable === undefined ? undefined : usable(variable, "NIX_OTA_TOKEN");
}

async function readTokenFile(file: string, output: Output): Promise<string> {
  const { text, openMode } = await readPrivateFile(file, TOKEN_LIMIT_BYTES).catch(
    (error: unknown) => {
      throw new CliError("file", `token file ${file} cannot be read; check --token-file`, {
        cause: error,
      });
    },
  );
  // Secrets that an orchestrator mounts are often open to all of a container: no reason to stop.
  if (openMode !== undefined)
    output.warn(
      `token file ${file} is open to others (mode ${openMode}); run: chmod 600 ${shellWord(file)}`,
    );
  return text ?? "";
}

/** What cannot be a header's value would fail later and less clearly. */
function usable(text: string, origin: string): string {
  const token = text.trim();
  if (!/^[\x21-\x7e]{1,4096}$/u.test(token))
    throw new CliError("file", `${origin} does not hold a token: one line without blanks`);
  return token;
}
