import {
  Code,
  type ConnectError,
  type Interceptor,
  type StreamResponse,
} from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import type { Logger } from "pino";

import type { Caller } from "./access/caller.ts";
import { actorOf, CALLER } from "./auth.ts";
import { CALL, callEnd } from "./call.ts";
import { answerTo, type Answer } from "./errors.ts";
import type { EndedCall } from "./metrics/metrics.ts";

/**
 * Outermost interceptor: one log line a call, and what a handler threw becomes
 * what its caller may see. Neither bodies nor headers are logged.
 */
export function callLog(
  log: Logger,
  monotonicMs: () => number,
  measure: (call: EndedCall) => void,
): Interceptor {
  return (next) => async (request) => {
    const began = monotonicMs();
    const { requestId, address } = request.contextValues.get(CALL);
    const caller = request.contextValues.get(CALLER);
    const call = `${request.service.typeName}/${request.method.name}`;
    const measured = (code: string) =>
      measure({
        rpc: call,
        code,
        ms: monotonicMs() - began,
        stream: request.method.methodKind !== "unary",
      });
    const line = (code: string) => ({
      requestId,
      call,
      caller: caller.kind,
      name: actorOf(caller),
      address,
      code,
      ms: Math.round((monotonicMs() - began) * 10) / 10,
    });
    const refused = (thrown: unknown): ConnectError => {
      const { error, level } = answerTo(thrown);
      measured(codeToString(error.code));
      error.metadata.set("x-request-id", requestId);
      const cause = level === "error" ? { err: thrown } : { reason: error.rawMessage };
      log[level]({ ...line(Code[error.code]), ...cause }, "call refused");
      return error;
    };
    try {
      const response = await next(request);
      response.header.set("x-request-id", requestId);
      if (request.requestMethod === "GET") forOneCaller(response.header);
      if (response.stream) {
        return endLogged(response, request.signal, (thrown) => {
          if (thrown === undefined) {
            measured("ok");
            log[levelOfSuccess(caller)](line("ok"), "stream ended");
          } else if (isUsualEnd(answerTo(thrown))) {
            measured(codeToString(answerTo(thrown).error.code));
            log.debug(line(Code[answerTo(thrown).error.code]), "stream ended");
          } else {
            refused(thrown);
          }
        });
      }
      measured("ok");
      log[levelOfSuccess(caller)](line("ok"), "call");
      return response;
    } catch (thrown) {
      throw refused(thrown);
    }
  };
}

/** What a caller reads is theirs: a cache between must not give one device's offer to another. */
function forOneCaller(header: Headers): void {
  header.set("cache-control", "private, no-cache");
  header.set("vary", "authorization");
}

/**
 * A stream that tells once how it ended; undefined: well. Its signal tells what
 * its messages cannot: nobody asks for them any more once the caller is gone.
 */
function endLogged(
  response: StreamResponse,
  signal: AbortSignal,
  ended: (thrown: unknown) => void,
): StreamResponse {
  let open = true;
  const end = (thrown: unknown) => {
    if (open) ended(thrown);
    open = false;
  };
  const aborted = () => end(callEnd(signal));
  signal.addEventListener("abort", aborted, { once: true });
  return { ...response, message: translated(response.message, end) };
}

async function* translated<T>(messages: AsyncIterable<T>, end: (thrown: unknown) => void) {
  try {
    yield* messages;
    end(undefined);
  } catch (thrown) {
    end(thrown);
    throw answerTo(thrown).error;
  }
}

/** Ends that every stream comes to; the caller, or the server, goes away. */
function isUsualEnd({ error, level }: Answer): boolean {
  const usual = [Code.Canceled, Code.Unavailable, Code.DeadlineExceeded];
  return level !== "error" && usual.includes(error.code);
}

/** Devices call all day; what operators do is worth a line. */
function levelOfSuccess(caller: Caller): "debug" | "info" {
  return caller.kind === "operator" ? "info" : "debug";
}
