import { connectServer, type Server } from "./client.ts";
import type { Host } from "./host.ts";
import { createOutput, type Output } from "./output.ts";
import { serverAccess, type ServerOptions } from "./server-access.ts";

/** What a command that asks the server needs. */
export interface Session {
  server: Server;
  output: Output;
}

/** The server and the output that a command line names. */
export async function openSession(
  options: ServerOptions & { json: boolean; quiet: boolean },
  host: Host,
): Promise<Session> {
  const output = createOutput(host, options);
  const { url, token } = await serverAccess(options, host, output);
  return { server: connectServer(url, token), output };
}
