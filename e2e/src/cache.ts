import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import type { CacheFault, FaultTarget, InjectedFault } from "./cache-fault.ts";
import { endlessNarHeader, tamperedBody } from "./cache-response.ts";
import { narInfoUrl, parseNarInfo } from "./narinfo.ts";

export type PathTraffic = { readonly requests: number; readonly bytes: number };

export type Traffic = {
  readonly requests: number;
  /** Body bytes that were handed to the network. */
  readonly bytes: number;
  /** Different nar files of which at least one byte was sent. */
  readonly nars: number;
  readonly narBytes: number;
  readonly byPath: ReadonlyMap<string, PathTraffic>;
};

/** Only what a binary cache consists of; nothing that could climb out of its folder. */
const SERVED = /^\/(nix-cache-info|[0-9a-z]{32}\.narinfo|nar\/[0-9A-Za-z.]+)$/;
const CHUNK_BYTES = 64 * 1024;

/** An HTTP binary cache over a folder on a free loopback port, with faults on demand. */
export class Cache implements AsyncDisposable {
  readonly url: string;
  readonly dir: string;
  readonly #server: Server;
  readonly #stopping = new AbortController();
  #faults: { readonly injected: InjectedFault; left: number }[] = [];
  #traffic = new Map<string, PathTraffic>();

  private constructor(dir: string, server: Server, url: string) {
    this.dir = dir;
    this.#server = server;
    this.url = url;
  }

  static async start(
    dir: string,
    address: { readonly host?: string; readonly port?: number } = {},
  ): Promise<Cache> {
    const server = createServer({ keepAliveTimeout: 60_000 });
    server.listen(address.port ?? 0, address.host ?? "127.0.0.1");
    await once(server, "listening");
    const { address: host, port } = server.address() as AddressInfo;
    const cache = new Cache(dir, server, `http://${host}:${port}`);
    server.on("request", (request, response) => {
      // What a client that went away leaves behind is an abort; its request is over either way.
      cache.#answer(request, response).catch(() => response.destroy());
    });
    return cache;
  }

  /** Misbehaves from now on; disposing the result, or `heal`, ends it. The first that fits counts. */
  inject(injected: InjectedFault): Disposable {
    const entry = { injected, left: injected.times ?? Number.POSITIVE_INFINITY };
    this.#faults.push(entry);
    return {
      [Symbol.dispose]: () => {
        this.#faults = this.#faults.filter((other) => other !== entry);
      },
    };
  }

  heal(): void {
    this.#faults = [];
  }

  traffic(): Traffic {
    const rows = [...this.#traffic];
    const nars = rows.filter(([path, { bytes }]) => path.startsWith("/nar/") && bytes > 0);
    const sum = (some: typeof rows) => some.reduce((total, [, { bytes }]) => total + bytes, 0);
    return {
      requests: rows.reduce((total, [, { requests }]) => total + requests, 0),
      bytes: sum(rows),
      nars: nars.length,
      narBytes: sum(nars),
      byPath: new Map(rows),
    };
  }

  resetTraffic(): void {
    this.#traffic = new Map();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url?.split("?")[0] ?? "/";
    this.#count(path, { requests: 1, bytes: 0 });
    const fault = await this.#faultFor(path);
    if (fault?.kind === "no-answer") return;
    if (fault?.kind === "status") {
      if (fault.retryAfterS !== undefined) response.setHeader("retry-after", fault.retryAfterS);
      response.writeHead(fault.status).end();
      return;
    }
    const body = SERVED.test(path) ? await this.#read(path, fault) : undefined;
    if (body === undefined) {
      response.writeHead(404).end();
      return;
    }
    if (fault?.kind === "endless" && path.startsWith("/nar/")) {
      await this.#sendEndless(path, response, fault.limitBytes);
      return;
    }
    await this.#sendRange(path, request, response, body, fault);
  }

  async #sendRange(
    path: string,
    request: IncomingMessage,
    response: ServerResponse,
    body: Buffer,
    fault: CacheFault | undefined,
  ): Promise<void> {
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
    if (from > 0 && from < body.length) {
      response.statusCode = 206;
      response.setHeader("content-range", `bytes ${from}-${body.length - 1}/${body.length}`);
    }
    const rest = from < body.length ? body.subarray(from) : body;
    response.setHeader("accept-ranges", "bytes");
    response.setHeader("content-length", rest.length);
    if (request.method === "HEAD") {
      response.end();
      return;
    }
    response.flushHeaders();
    switch (fault?.kind) {
      case "stall":
        await this.#send(path, response, rest.subarray(0, fault.afterBytes));
        return;
      case "reset":
        await this.#send(path, response, rest.subarray(0, fault.afterBytes));
        response.socket?.resetAndDestroy();
        return;
      case "truncate":
        await this.#send(path, response, rest.subarray(0, fault.afterBytes));
        response.socket?.end();
        return;
      case "trickle":
        for (let at = 0; at < rest.length && !response.destroyed; at += fault.bytes) {
          await this.#send(path, response, rest.subarray(at, at + fault.bytes));
          await delay(fault.everyMs, undefined, { signal: this.#stopping.signal });
        }
        break;
      default:
        await this.#send(path, response, rest);
    }
    response.end();
  }

  async #sendEndless(path: string, response: ServerResponse, limitBytes: number): Promise<void> {
    response.flushHeaders();
    await this.#send(path, response, endlessNarHeader());
    const zeros = Buffer.alloc(CHUNK_BYTES);
    for (let sent = 0; sent < limitBytes && !response.destroyed; sent += CHUNK_BYTES) {
      await this.#send(path, response, zeros);
    }
    // At the limit it goes on as a stall, so that the disk of the host is never the one to end it.
  }

  /** Sends within the client's pace, and counts what the connection took. */
  async #send(path: string, response: ServerResponse, bytes: Buffer): Promise<void> {
    for (let at = 0; at < bytes.length && !response.destroyed; at += CHUNK_BYTES) {
      const chunk = bytes.subarray(at, at + CHUNK_BYTES);
      await new Promise<void>((resolve) => {
        const done = () => {
          response.off("close", done);
          resolve();
        };
        response.once("close", done);
        response.write(chunk, done);
      });
      this.#count(path, { requests: 0, bytes: chunk.length });
    }
  }

  #count(path: string, more: PathTraffic): void {
    const { requests, bytes } = this.#traffic.get(path) ?? { requests: 0, bytes: 0 };
    this.#traffic.set(path, { requests: requests + more.requests, bytes: bytes + more.bytes });
  }

  async #faultFor(path: string): Promise<CacheFault | undefined> {
    for (const entry of this.#faults) {
      const { on, fault } = entry.injected;
      if (entry.left > 0 && ((await this.#meets(on, path)) || (await replaces(fault, path)))) {
        entry.left -= 1;
        return fault;
      }
    }
    return undefined;
  }

  async #meets(target: FaultTarget, path: string): Promise<boolean> {
    if (target instanceof RegExp) return target.test(path);
    const narInfo = narInfoUrl(target.storePath);
    if (path === narInfo) return target.part !== "nar";
    if (target.part === "narinfo") return false;
    const text = await readOrUndefined(join(this.dir, narInfo));
    return text !== undefined && path === `/${parseNarInfo(text.toString("utf8")).URL}`;
  }

  async #read(path: string, fault: CacheFault | undefined): Promise<Buffer | undefined> {
    const poisoned =
      fault?.kind === "poisoned" ? await readOrUndefined(join(fault.dir, path)) : undefined;
    const body = poisoned ?? (await readOrUndefined(join(this.dir, path)));
    return body === undefined || fault === undefined ? body : tamperedBody(path, body, fault);
  }
}

/** Whether a poisoned path brings this file: its NAR goes by another name than the one it replaces. */
async function replaces(fault: CacheFault, path: string): Promise<boolean> {
  return fault.kind === "poisoned" && (await readOrUndefined(join(fault.dir, path))) !== undefined;
}

async function readOrUndefined(file: string): Promise<Buffer | undefined> {
  return await readFile(file).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === "ENOENT") return undefined;
    throw cause;
  });
}
