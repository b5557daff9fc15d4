import type * as net from "node:net";
import * as tls from "node:tls";

import type { TlsIdentity } from "./tls-identity.ts";

/** Takes the TLS off connections. */
export interface TlsFront {
  /** Begins the handshake; what comes out is given to `accept`. */
  take(socket: net.Socket): void;
  /** Shows another certificate from the next connection on. */
  use(identity: TlsIdentity): void;
}

/**
 * TLS (1.2 and 1.3, Node's default) with HTTP/2 and HTTP/1.1 by ALPN.
 *
 * @param accept Is given each connection whose handshake was done in time; it
 * reads and writes plain bytes.
 */
export function tlsFront(
  identity: TlsIdentity,
  handshakeMs: number,
  accept: (plain: net.Socket) => void,
): TlsFront {
  const server = tls.createServer({
    cert: identity.cert,
    key: identity.key,
    ALPNProtocols: ["h2", "http/1.1"],
    handshakeTimeout: handshakeMs,
  });
  server.on("secureConnection", (plain) => {
    plain.on("error", () => plain.destroy());
    accept(plain);
  });
  // Whoever fails the handshake is cut by it; there is nobody to tell.
  server.on("tlsClientError", (_error, socket) => void socket.destroy());
  return {
    take: (socket) => void server.emit("connection", socket),
    use: ({ cert, key }) => server.setSecureContext({ cert, key }),
  };
}
