import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

import type { ConnectRouter } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";

import { recordingHost } from "./recording-host.testkit.ts";
import { runCommand } from "./run-command.ts";

/** A server on loopback that answers as a test says, and whole command lines run against it. */
export interface HttpDouble extends AsyncDisposable {
  readonly url: string;
  run(...args: string[]): Promise<{ code: number; out: string; err: string }>;
  /** On a terminal, where nobody types. */
  runOnTerminal(...args: string[]): Promise<{ code: number; out: string; err: string }>;
}

/** A page as it is answered. */
export interface DoublePage {
  status?: number;
  headers?: Record<string, string>;
  text: string;
}

const NO_PAGE: DoublePage = { status: 404, text: "no such page" };

/** @param pages What is answered beside the calls, by path. */
export async function httpDouble(
  routes: (router: ConnectRouter) => void,
  pages: Readonly<Record<string, DoublePage>> = {},
): Promise<HttpDouble> {
  const server = createServer(
    connectNodeAdapter({
      routes,
      fallback: (request, response) => {
        const { status = 200, headers, text } = pages[request.url ?? ""] ?? NO_PAGE;
        response.writeHead(status, headers);
        response.end(text);
      },
    }),
  );
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const run = async (terminal: boolean, args: readonly string[]) => {
    const host = recordingHost({ terminal, env: { NIX_OTA_SERVER: url } });
    const code = await runCommand(args, host);
    return { code, out: host.out(), err: host.err() };
  };
  return {
    url,
    run: async (...args) => run(false, args),
    runOnTerminal: async (...args) => run(true, args),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
