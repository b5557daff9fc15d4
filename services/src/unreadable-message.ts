import type { ConnectRouter } from "@connectrpc/connect";
import type { UniversalHandler, UniversalServerResponse } from "@connectrpc/connect/protocol";

/** How the library's sentence begins for bytes that are no message of the call's type. */
const PARSE_FAULT = "parse binary: ";

/**
 * Tells a Connect caller whose bytes are no message so: INVALID_ARGUMENT. The library answers
 * INTERNAL, which gRPC's table of codes wants for gRPC, and which reads like a defect of the server
 * elsewhere: with status 500 a balancer would take a healthy server out for what a stranger sends.
 */
export function refuseUnreadable(router: ConnectRouter): void {
  for (const [index, handler] of router.handlers.entries()) {
    const wrapped: UniversalHandler = Object.assign(
      async (request: Parameters<UniversalHandler>[0]) => await judged(await handler(request)),
      handler,
    );
    router.handlers[index] = wrapped;
  }
}

async function judged(response: UniversalServerResponse): Promise<UniversalServerResponse> {
  const { status, header, body } = response;
  if (status !== 500 || header?.get("content-type") !== "application/json") return response;
  // An error of a unary call, which is one chunk of some hundred bytes.
  const chunks: Uint8Array[] = [];
  for await (const chunk of body as AsyncIterable<Uint8Array>) chunks.push(chunk);
  const error = JSON.parse(Buffer.concat(chunks).toString("utf8")) as Record<string, unknown>;
  const { message } = error;
  if (typeof message !== "string" || !message.startsWith(PARSE_FAULT)) {
    return { ...response, body: inChunks(chunks) };
  }
  const sentence = `the body is no message of the call: ${message.slice(PARSE_FAULT.length)}`;
  const bytes = Buffer.from(JSON.stringify({ code: "invalid_argument", message: sentence }));
  header.set("content-length", `${bytes.length}`);
  return { ...response, status: 400, body: inChunks([bytes]) };
}

async function* inChunks(chunks: readonly Uint8Array[]): AsyncIterable<Uint8Array> {
  yield* chunks;
}
