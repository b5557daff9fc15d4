import { constants, Http2ServerResponse } from "node:http2";

import { createConnectRouter, type ConnectRouter } from "@connectrpc/connect";
import {
  compressionBrotli,
  compressionGzip,
  universalRequestFromNodeRequest,
  type ConnectNodeAdapterOptions,
} from "@connectrpc/connect-node";
import type { UniversalHandler, UniversalServerResponse } from "@connectrpc/connect/protocol";
import type { Logger } from "pino";

import type { HttpHandler } from "./listener.ts";

export interface ConnectHandlerOptions extends Omit<
  ConnectNodeAdapterOptions,
  "acceptCompression" | "requestPathPrefix"
> {
  readonly routes: (router: ConnectRouter) => void;
  /** Serves what is no call. */
  readonly fallback: HttpHandler;
  readonly log: Logger;
  /** How long a message of a stream may wait for its reader, milliseconds. */
  readonly stalledMs: number;
}

/**
 * Serves the calls of a router over HTTP, as the library's own adapter does but
 * for three things. What goes wrong outside a call is told to the log; the
 * adapter prints it beside. A request that names no host, or one that cannot be
 * part of a URL, is answered; the adapter throws at whoever handed it the
 * request, which ends the process. And no message is asked of a handler before
 * the one before it left this process, so that a slow reader is given what is
 * newest when it reads, and one that reads nothing is cut.
 */
export function connectHandler(options: ConnectHandlerOptions): HttpHandler {
  const router = createConnectRouter({
    ...options,
    acceptCompression: [compressionGzip, compressionBrotli],
  });
  options.routes(router);
  // The last one of a path is the one that serves it.
  const calls = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));
  return (request, response) => {
    const call = calls.get(request.url?.split("?", 1)[0] ?? "");
    try {
      if (call === undefined) options.fallback(request, response);
      else void serve(call, { request, response, options });
    } catch (error) {
      const asked = namesHost(request);
      options.log[asked ? "error" : "debug"]({ err: error }, "a request failed");
      refuse(response, asked ? 500 : 400);
    }
  };
}

/** How long the rest of a body that nobody reads is waited for. */
const LINGER_MS = 1_000;

/** Nobody takes the answer. */
class CallerGone extends Error {
  override readonly name = "CallerGone";
}

type Request = Parameters<HttpHandler>[0];
type Response = Parameters<HttpHandler>[1];

async function serve(
  call: UniversalHandler,
  parts: {
    readonly request: Request;
    readonly response: Response;
    readonly options: ConnectHandlerOptions;
  },
): Promise<void> {
  const { request, response, options } = parts;
  if (!namesHost(request)) {
    refuse(response, 400);
    return;
  }
  const contextValues = options.contextValues?.(request);
  const limitMs = call.method.methodKind === "unary" ? undefined : options.stalledMs;
  // Whoever writes hears of it by the write itself.
  response.on("error", () => undefined);
  try {
    const asked = universalRequestFromNodeRequest(request, response, undefined, contextValues);
    await write(await call(asked), parts, limitMs);
  } catch (error) {
    // Links break all day; anything else is worth a look.
    const usual = error instanceof CallerGone || isGone(response);
    const line = { call: `${call.service.typeName}/${call.method.name}`, err: error };
    options.log[usual ? "debug" : "warn"](line, "an answer was not delivered");
    cut(response);
  }
}

async function write(
  answer: UniversalServerResponse,
  { request, response }: { readonly request: Request; readonly response: Response },
  limitMs: number | undefined,
): Promise<void> {
  const chunks = answer.body?.[Symbol.asyncIterator]();
  try {
    // Before the headers, which a handler may set until its first message.
    let chunk = await chunks?.next();
    for (const [name, value] of answer.header ?? []) response.appendHeader(name, value);
    response.writeHead(answer.status);
    for (; chunk?.done === false; chunk = await chunks?.next()) {
      await writeChunk(chunk.value, response, limitMs);
    }
    if (answer.trailer !== undefined) response.addTrailers(Object.fromEntries(answer.trailer));
    await bodyArrived(request, response);
    response.end();
  } finally {
    await chunks?.return?.();
  }
}

/**
 * A call that is refused by its headers has its answer before its body is here.
 * Over HTTP/1.1 the end of the answer can be the end of the connection, which a
 * caller who still sends takes for a broken one, and never reads the answer.
 */
async function bodyArrived(request: Request, response: Response): Promise<void> {
  if (response instanceof Http2ServerResponse || request.complete || request.destroyed) return;
  if ("flushHeaders" in response) response.flushHeaders();
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, LINGER_MS);
  request.once("end", resolve).once("close", resolve).resume();
  await promise;
  clearTimeout(timer);
}

/** Resolves when the chunk left this process. */
async function writeChunk(
  chunk: Uint8Array,
  response: Response,
  limitMs: number | undefined,
): Promise<void> {
  if (isGone(response)) throw new CallerGone("the caller went away");
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const gone = () => reject(new CallerGone("the caller went away"));
  const stalled = () => reject(new CallerGone("the caller reads nothing"));
  const timer = limitMs === undefined ? undefined : setTimeout(stalled, limitMs);
  response.once("close", gone);
  const taken = (error?: Error | null) => (error ? reject(error) : resolve());
  if (response instanceof Http2ServerResponse) response.write(chunk, taken);
  else response.write(chunk, taken);
  try {
    await promise;
  } finally {
    clearTimeout(timer);
    response.off("close", gone);
  }
}

function isGone(response: Response): boolean {
  return response instanceof Http2ServerResponse
    ? response.stream.destroyed
    : response.socket?.destroyed !== false;
}

/** Whether the host can be part of a URL, which the library makes of it. */
function namesHost(request: Request): boolean {
  const host = "authority" in request ? request.authority : request.headers.host;
  return host !== undefined && URL.canParse(request.url ?? "", `http://${host}`);
}

function refuse(response: Response, status: number): void {
  if (response.headersSent) {
    cut(response);
    return;
  }
  response.statusCode = status;
  response.end();
}

/** Ends it so that nobody takes what they have of it for the whole. */
function cut(response: Response): void {
  if (response instanceof Http2ServerResponse) response.stream.close(constants.NGHTTP2_CANCEL);
  else response.destroy();
}
