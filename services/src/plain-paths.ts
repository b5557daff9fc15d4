import { createHash } from "node:crypto";

import { fromBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, type ContextValues } from "@connectrpc/connect";
import {
  universalRequestFromNodeRequest,
  universalResponseToNodeResponse,
} from "@connectrpc/connect-node";
import type {
  UniversalHandler,
  UniversalServerRequest,
  UniversalServerResponse,
} from "@connectrpc/connect/protocol";
import { ErrorDetailSchema, ErrorReason } from "@nix-ota/proto/nixota/v1/error_pb";

import type { HttpHandler } from "./listener.ts";
import { plainCallOf, type PlainCall } from "./plain-calls.ts";

type NodeRequest = Parameters<HttpHandler>[0];

/**
 * The few paths for who has nothing but curl: `GET /channels/<name>/current`,
 * `POST /channels/<name>/publish`, `POST /checkin`. Each is a call of the
 * contract in other words and goes the same way, through the same gate, limits,
 * checks and handler.
 */
export function plainPaths(options: {
  /** Those of the contract's calls. */
  readonly handlers: () => readonly UniversalHandler[];
  readonly contextValues: (request: NodeRequest) => ContextValues;
  readonly otherwise: HttpHandler;
}): HttpHandler {
  return (request, response) => {
    const url = new URL(request.url ?? "/", "http://localhost");
    const call = plainCallOf(url.pathname, url.searchParams);
    if (call === undefined) {
      options.otherwise(request, response);
      return;
    }
    const path = `/${call.method.parent.typeName}/${call.method.name}`;
    const handler = options.handlers().find(({ requestPath }) => requestPath === path);
    void answer(call, handler, {
      ...universalRequestFromNodeRequest(
        request,
        response,
        undefined,
        options.contextValues(request),
      ),
      url: new URL(path, "http://localhost").href,
    })
      .then((answered) => universalResponseToNodeResponse(answered, response))
      .catch(() => void response.destroy());
  };
}

async function answer(
  call: PlainCall,
  handler: UniversalHandler | undefined,
  request: UniversalServerRequest,
): Promise<UniversalServerResponse> {
  const isRead = request.method === "GET" || request.method === "HEAD";
  if (handler === undefined || isRead !== call.reads) {
    const allow = call.reads ? "GET, HEAD" : "POST";
    return json(405, { error: "METHOD_NOT_ALLOWED", message: `ask with ${allow}` }, { allow });
  }
  const coding = request.header.get("content-encoding") ?? "identity";
  if (coding !== "identity") {
    return json(415, { error: "ENCODING_UNKNOWN", message: "send the body without compression" });
  }
  const answered = await handler({
    ...request,
    method: "POST",
    header: plainHeaders(request.header),
    // Read when the gate has let the caller in, and not before.
    body: call.reads ? one(encode(call.request(undefined))) : translated(call, request),
  });
  const said = await allOf(answered.body);
  const requestId = answered.header?.get("x-request-id") ?? "";
  const headers = requestId === "" ? {} : { "x-request-id": requestId };
  if (answered.status !== 200) return json(answered.status, refusal(said), headers);
  const body = encode(call.response(said));
  if (!call.reads) return { status: 200, header: headersOf(headers), body: one(body) };
  // Of who asks as well: another device is offered something else.
  const etag = `"${createHash("sha256").update(body).digest("hex")}"`;
  const cached = { ...headers, etag, "cache-control": "private, no-cache", vary: "authorization" };
  if ((request.header.get("if-none-match") ?? "").split(/\s*,\s*/).includes(etag)) {
    return { status: 304, header: new Headers(cached) };
  }
  const header = headersOf(cached);
  header.set("content-length", `${body.length}`);
  return request.method === "HEAD"
    ? { status: 200, header }
    : { status: 200, header, body: one(body) };
}

/** Without what speaks of another form of body or answer. */
function plainHeaders(given: Headers): Headers {
  const header = new Headers(given);
  // A browser's cookie is for the contract's calls: the form of this body says nothing of its page.
  for (const name of ["content-length", "content-encoding", "accept-encoding", "cookie"]) {
    header.delete(name);
  }
  for (const name of [...header.keys()]) if (name.startsWith("connect-")) header.delete(name);
  header.set("content-type", "application/json");
  return header;
}

async function* translated(
  call: PlainCall,
  { body }: UniversalServerRequest,
): AsyncGenerator<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    bytes += chunk.length;
    if (bytes > call.bodyBytes) {
      throw new ConnectError(`the body is over ${call.bodyBytes} bytes`, Code.ResourceExhausted);
    }
    chunks.push(chunk);
  }
  let given: unknown;
  try {
    given = JSON.parse(Buffer.concat(chunks).toString("utf8"));
  } catch (cause) {
    throw new ConnectError(
      "the body is no JSON",
      Code.InvalidArgument,
      undefined,
      undefined,
      cause,
    );
  }
  yield encode(call.request(given));
}

/** An error as Connect writes it, in fewer words. */
function refusal(said: unknown): object {
  const { code, message, details } = said as {
    readonly code?: string;
    readonly message?: string;
    readonly details?: readonly { readonly type: string; readonly value: string }[];
  };
  const found = details?.find(({ type }) => type === ErrorDetailSchema.typeName);
  const detail = found && fromBinary(ErrorDetailSchema, Buffer.from(found.value, "base64"));
  const name = Object.entries(ErrorReason).find(([, reason]) => reason === detail?.reason)?.[0];
  return {
    error: name ?? code?.toUpperCase() ?? "UNKNOWN",
    message: message ?? "",
    ...(detail?.headRevision ? { head_revision: `${detail.headRevision}` } : {}),
    ...(detail?.retryAfterMs ? { retry_after_ms: detail.retryAfterMs } : {}),
  };
}

function json(
  status: number,
  body: unknown,
  more: Readonly<Record<string, string>> = {},
): UniversalServerResponse {
  return { status, header: headersOf(more), body: one(encode(body)) };
}

function headersOf(more: Readonly<Record<string, string>>): Headers {
  return new Headers({ "content-type": "application/json", "cache-control": "no-store", ...more });
}

function encode(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

async function allOf(body: AsyncIterable<Uint8Array> | undefined): Promise<unknown> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body ?? []) chunks.push(chunk);
  return JSON.parse(Buffer.concat(chunks).toString("utf8")) as unknown;
}
