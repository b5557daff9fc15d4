import * as http from "node:http";
import * as https from "node:https";

import type { Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";

import type { PingSettings } from "./http2-connection.ts";
import { http2Connection } from "./http2-connection.ts";

export interface TransportSettings extends PingSettings {
  readonly callMs: number;
  readonly readMaxBytes: number;
}

/** A connection of its own for one stream of calls. */
export interface Connection {
  readonly transport: Transport;
  close(): void;
}

/** The ways to the server; each rung has one connection at a time. */
export interface Transports {
  /** Calls over HTTP/1.1, which passes every proxy, limited in time and in bytes of an answer. */
  calls(readMaxBytes: number): Transport;
  /** The same over a connection that nobody used before and nobody will use after. */
  readonly fresh: Transport;
  http1(): Connection;
  http2(): Connection;
}

/** How long a connection waits for the next call: below what proxies grant, which else close it under one. */
const KEEP_MS = 5_000;

/**
 * @param caCertificates PEM of the authorities that may vouch for the server; undefined: the
 *   well-known ones.
 */
export function transports(
  baseUrl: string,
  caCertificates: string | undefined,
  settings: TransportSettings,
): Transports {
  const trusted = caCertificates === undefined ? {} : { ca: caCertificates };
  const { Agent } = baseUrl.startsWith("https:") ? https : http;
  const kept = new Agent({ ...trusted, keepAlive: true, timeout: KEEP_MS, maxSockets: 1 });
  const overHttp1 = (agent: http.Agent, readMaxBytes: number, defaultTimeoutMs: number) =>
    createConnectTransport({
      baseUrl,
      httpVersion: "1.1",
      nodeOptions: { agent },
      defaultTimeoutMs,
      readMaxBytes,
    });
  const once = () => new Agent({ ...trusted, keepAlive: false, maxSockets: 1 });

  return {
    calls: (readMaxBytes) => overHttp1(kept, readMaxBytes, settings.callMs),
    fresh: overHttp1(once(), settings.readMaxBytes, settings.callMs),
    http1() {
      const agent = once();
      return {
        transport: overHttp1(agent, settings.readMaxBytes, 0),
        close: () => agent.destroy(),
      };
    },
    http2() {
      const sessionManager = http2Connection(baseUrl, trusted, settings);
      return {
        transport: createConnectTransport({
          baseUrl,
          httpVersion: "2",
          sessionManager,
          readMaxBytes: settings.readMaxBytes,
        }),
        close: () => sessionManager.close(),
      };
    },
  };
}
