import { CliError } from "./cli-error.ts";
import { connectServer, type Server } from "./client.ts";
import type { ChosenContext } from "./context/chosen-context.ts";
import type { Host } from "./host.ts";
import { parseName } from "./name-argument.ts";
import { createOutput, type Output } from "./output.ts";
import { serverAccess, type ServerOptions } from "./server-access.ts";

/** Options of every command that asks the server. */
export type SessionOptions = ServerOptions & { json: boolean; quiet: boolean };

/** What a command that asks the server needs. */
export interface Session {
  server: Server;
  output: Output;
  context: ChosenContext | undefined;
}

/** The server and the output that a command line names. */
export async function openSession(options: SessionOptions, host: Host): Promise<Session> {
  const output = createOutput(host, options);
  const { url, token, context } = await serverAccess(options, host, output);
  return { server: connectServer(url, token), output, context };
}

/**
 * The channel that a command line names, else the context's.
 *
 * @throws {CliError} `usage` without one, or when nothing can be called so.
 */
export function channelOf(
  options: { channel?: string | undefined },
  context: ChosenContext | undefined,
): string {
  if (options.channel !== undefined) return parseName("--channel", options.channel);
  if (context?.channel !== undefined)
    return parseName(`channel of context ${context.name}:`, context.channel);
  throw new CliError("usage", "no channel is named; give --channel, or set one in the context");
}
