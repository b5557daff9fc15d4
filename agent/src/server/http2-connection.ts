import * as http2 from "node:http2";

import type { Http2SessionManager } from "@connectrpc/connect-node";

export interface PingSettings {
  /** Between two PINGs. */
  readonly pingMs: number;
  /** Until one is answered; then the connection is given up. */
  readonly pingTimeoutMs: number;
}

/** One HTTP/2 connection, made at once and never anew: who wants another opens another. */
export interface Http2Connection extends Pick<
  Http2SessionManager,
  "authority" | "request" | "notifyResponseByteRead"
> {
  close(): void;
}

/**
 * A path that forgets an idle connection shows by a PING that is not answered, which the server's
 * heartbeats alone would show later.
 *
 * @param baseUrl https, or http for HTTP/2 without TLS by prior knowledge.
 */
export function http2Connection(
  baseUrl: string,
  trusted: { readonly ca?: string },
  settings: PingSettings,
): Http2Connection {
  const authority = new URL(baseUrl).origin;
  const session = http2.connect(authority, trusted);
  const connected = new Promise<void>((resolve, reject) => {
    session.once("connect", () => resolve());
    // Stays when the connection is made: an error that nobody hears of would end the process, and a
    // peer that does not speak HTTP/2 shows it only then.
    session.on("error", reject);
    session.once("close", () => reject(new Error("the connection was closed")));
  });
  // Whoever asks gets it told; nobody may have asked.
  connected.catch(() => undefined);

  let late: NodeJS.Timeout | undefined;
  const pinging = setInterval(() => {
    clearTimeout(late);
    late = setTimeout(() => {
      session.destroy(new Error("a PING was not answered"));
    }, settings.pingTimeoutMs);
    session.ping(() => clearTimeout(late));
  }, settings.pingMs);
  session.once("close", () => {
    clearInterval(pinging);
    clearTimeout(late);
  });

  return {
    authority,
    async request(method, path, headers, options) {
      await connected;
      return session.request({ ...headers, ":method": method, ":path": path }, options);
    },
    notifyResponseByteRead: () => undefined,
    close: () => session.destroy(),
  };
}
