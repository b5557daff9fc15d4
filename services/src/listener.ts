import { once } from "node:events";
import * as http from "node:http";
import * as http2 from "node:http2";
import * as net from "node:net";

import type { connectNodeAdapter } from "@connectrpc/connect-node";

import { LIMITS, type Limits } from "./limits.ts";
import { tlsFront } from "./tls-front.ts";
import type { TlsIdentity } from "./tls-identity.ts";

/** How HTTP/2 begins; no HTTP/1.1 request does. */
const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
/** From so many equal bytes on it can be no HTTP/1.1 method. */
const TELLING_BYTES = 4;

/** Answers requests of either protocol. */
export type HttpHandler = ReturnType<typeof connectNodeAdapter>;

/** What is done with requests. */
export interface Serving {
  readonly handler: HttpHandler;
  /**
   * Whether the request at the path goes on until one side ends it. Every other
   * one is held to the time it may take as a whole; such a one is the handler's
   * to end, and to cut when nobody reads what it writes.
   */
  readonly isStream: (url: string) => boolean;
}

/** Where to listen, and what with. */
export interface Place {
  readonly host: string;
  /** 0: a free one. */
  readonly port: number;
  /** Undefined: without TLS. */
  readonly tls?: TlsIdentity | undefined;
}

/** One port that speaks HTTP/1.1 and HTTP/2, both with TLS or both without. */
export interface Listener {
  readonly port: number;
  /** Shows another certificate from the next connection on. */
  useCertificate(identity: TlsIdentity): void;
  /**
   * Takes no more connections, tells clients to go elsewhere and waits for the
   * calls under way, at most `limitMs`; what is then open is cut.
   *
   * @returns Whether all ended by themselves.
   */
  close(limitMs: number): Promise<boolean>;
}

/** Node has no server for both protocols without TLS, so the first bytes decide; with TLS it is the same. */
export async function listen(
  place: Place,
  { handler, isStream }: Serving,
  limits: Limits = LIMITS,
): Promise<Listener> {
  let closing = false;
  const answering = new Set<http.ServerResponse>();
  const h1 = http.createServer(
    {
      maxHeaderSize: limits.headerBytes,
      headersTimeout: limits.headersMs,
      requestTimeout: limits.requestMs,
      keepAliveTimeout: limits.idleMs,
      connectionsCheckingInterval: limits.checkEveryMs,
    },
    (request, response) => {
      const cut = () => request.socket.destroy();
      const release = isStream(request.url ?? "")
        ? () => undefined
        : cutLater(limits.answerMs, cut);
      answering.add(response);
      response.once("close", () => {
        release();
        answering.delete(response);
      });
      if (closing) response.shouldKeepAlive = false;
      handler(request, response);
    },
  );
  // The server never listens itself, and starts its watch over slow senders
  // when it does.
  h1.emit("listening");
  h1.maxHeadersCount = limits.headerCount;
  h1.maxRequestsPerSocket = limits.callsPerConnection;

  const sessions = new Set<http2.ServerHttp2Session>();
  const h2 = http2.createServer(
    {
      settings: {
        maxConcurrentStreams: limits.streamsPerConnection,
        maxHeaderListSize: limits.headerBytes,
      },
      maxHeaderListPairs: limits.headerCount,
      maxSessionMemory: limits.sessionMemoryMb,
    },
    handler,
  );
  h2.on("session", (session) => {
    sessions.add(session);
    session.setTimeout(limits.idleMs, () => session.close());
    session.once("close", () => sessions.delete(session));
  });
  h2.on("stream", (stream, headers) => {
    // HTTP/2 has no limit of its own for a body that never ends, and neither
    // protocol for an answer that nobody reads.
    const cancel = () => stream.close(http2.constants.NGHTTP2_CANCEL);
    if (isStream(headers[":path"] ?? "")) {
      // Of a call that was answered whole the rest of its body is not waited for.
      stream.once("finish", () => stream.once("close", cutLater(limits.requestMs, cancel)));
      return;
    }
    const body = cutLater(limits.requestMs, cancel);
    const answer = cutLater(limits.answerMs, cancel);
    stream.once("end", body);
    stream.once("close", () => {
      body();
      answer();
    });
  });
  // A peer that breaks the protocol ends its own session; there is nobody to tell.
  h2.on("sessionError", () => undefined);

  const sockets = new Set<net.Socket>();
  const accept = (plain: net.Socket) =>
    peek(plain, limits.firstBytesMs, (protocol) => {
      (protocol === "h2" ? h2 : h1).emit("connection", plain);
      if (protocol === "h1") process.nextTick(() => plain.resume());
    });
  const front =
    place.tls === undefined ? undefined : tlsFront(place.tls, limits.firstBytesMs, accept);
  const server = net.createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    // A reset connection has no reader; its call sees the abort by itself.
    socket.on("error", () => socket.destroy());
    if (front === undefined) accept(socket);
    else front.take(socket);
  });
  server.maxConnections = limits.connections;
  server.listen(place.port, place.host);
  await once(server, "listening");
  const bound = server.address();
  if (bound === null || typeof bound === "string") throw new Error("the server has no port");

  return {
    port: bound.port,
    useCertificate: (identity) => front?.use(identity),
    async close(limitMs) {
      closing = true;
      server.close();
      // HTTP/2 has a word for it; HTTP/1.1 says it with each answer.
      for (const session of sessions) session.close();
      for (const response of answering) response.shouldKeepAlive = false;
      const began = performance.now();
      const ended = await allClosed(sockets, limitMs, () => {
        if (performance.now() - began > limits.shutdownIdleMs) h1.closeIdleConnections();
      });
      for (const socket of sockets) socket.destroy();
      h1.close();
      h2.close();
      return ended;
    },
  };
}

function cutLater(afterMs: number, cut: () => void): () => void {
  const timer = setTimeout(cut, afterMs);
  return () => clearTimeout(timer);
}

function peek(socket: net.Socket, limitMs: number, decided: (protocol: "h1" | "h2") => void): void {
  const timer = setTimeout(() => socket.destroy(), limitMs);
  socket.once("close", () => clearTimeout(timer));
  let seen: Buffer = Buffer.alloc(0);
  const look = () => {
    const bytes: Buffer | null = socket.read();
    if (bytes === null) return;
    seen = Buffer.concat([seen, bytes]);
    const length = Math.min(seen.length, PREFACE.length);
    const alike = seen.subarray(0, length).equals(PREFACE.subarray(0, length));
    if (alike && length < TELLING_BYTES) return;
    socket.off("readable", look);
    clearTimeout(timer);
    // Only here: put back earlier, a lone first byte would be read in a circle.
    socket.unshift(seen);
    decided(alike ? "h2" : "h1");
  };
  socket.on("readable", look);
}

async function allClosed(
  sockets: ReadonlySet<net.Socket>,
  limitMs: number,
  sweepIdle: () => void,
): Promise<boolean> {
  if (sockets.size === 0) return true;
  return await new Promise((resolve) => {
    // A connection becomes idle when its last call ends, which raises no event.
    const sweep = setInterval(() => {
      sweepIdle();
      if (sockets.size > 0) return;
      done(true);
    }, 25);
    const limit = setTimeout(() => done(false), limitMs);
    const done = (ended: boolean) => {
      clearInterval(sweep);
      clearTimeout(limit);
      resolve(ended);
    };
  });
}
