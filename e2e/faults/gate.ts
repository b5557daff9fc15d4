import { once } from "node:events";
import { createServer as createHttp1, type RequestListener } from "node:http";
import { createServer as createHttp2 } from "node:http2";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/**
 * What stands between a device and its server.
 *
 * - `open`: nothing.
 * - `lost`: no connection comes about, and those that were open are cut.
 * - `deaf`: connections come about and are never answered.
 * - `garbage`: answers that are no HTTP.
 * - a number: every call is answered with that status.
 */
export type GateMode = "open" | "lost" | "deaf" | "garbage" | 429 | 503;

/** The way from one device to the server, with faults on demand. */
export class Gate implements AsyncDisposable {
  readonly url: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #target: URL | undefined;
  #mode: GateMode = "open";

  private constructor(server: Server, url: string) {
    this.#server = server;
    this.url = url;
  }

  static async open(): Promise<Gate> {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const gate = new Gate(server, `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    server.on("connection", (socket) => gate.#meet(socket));
    return gate;
  }

  /** Names the server behind it, which has to know the gate's URL before it starts. */
  leadTo(url: string): void {
    this.#target = new URL(url);
  }

  /** Changes for connections that are open as well: they are cut. */
  set mode(mode: GateMode) {
    this.#mode = mode;
    for (const socket of this.#sockets) socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.mode = "lost";
    await closed;
  }

  #meet(socket: Socket): void {
    this.#keep(socket);
    switch (this.#mode) {
      case "open":
        this.#pass(socket);
        return;
      case "lost":
        socket.resetAndDestroy();
        return;
      case "deaf":
        return;
      case "garbage":
        socket.end("\u0000\u0001 what is this \r\n\r\n");
        return;
      default:
        refuse(socket, this.#mode);
    }
  }

  #pass(socket: Socket): void {
    const { hostname, port } = this.#target ?? new URL("http://127.0.0.1:1");
    const onward = this.#keep(connect(Number(port), hostname));
    socket.pipe(onward).pipe(socket);
    socket.once("close", () => onward.destroy());
    onward.once("close", () => socket.destroy());
  }

  #keep(socket: Socket): Socket {
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
    // A device that gives up resets its connection; which side ended it is of no matter here.
    socket.on("error", () => undefined);
    return socket;
  }
}

/** A proxy whose server is not well, to callers of both versions of HTTP. */
function refuse(socket: Socket, status: number): void {
  const answer: RequestListener = (_, response) => {
    response.writeHead(status, { "content-type": "text/plain" }).end("not well\n");
  };
  socket.once("data", (first: Buffer) => {
    socket.pause();
    socket.unshift(first);
    const speaks2 = first.toString("latin1").startsWith("PRI ");
    const server = speaks2 ? createHttp2(answer as never) : createHttp1(answer);
    server.emit("connection", socket);
    socket.resume();
  });
}
