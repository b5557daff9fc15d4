import type { Interceptor } from "@connectrpc/connect";
import { Code } from "@connectrpc/connect";
import type { Logger } from "pino";

import type { Caller } from "./access/caller.ts";
import { actorOf, CALLER } from "./auth.ts";
import { CALL } from "./call.ts";
import { answerTo } from "./errors.ts";

/**
 * Outermost interceptor: one log line a call, and what a handler threw becomes
 * what its caller may see. Neither bodies nor headers are logged.
 */
export function callLog(log: Logger, monotonicMs: () => number): Interceptor {
  return (next) => async (request) => {
    const began = monotonicMs();
    const { requestId, address } = request.contextValues.get(CALL);
    const caller = request.contextValues.get(CALLER);
    const line = (code: string) => ({
      requestId,
      call: `${request.service.typeName}/${request.method.name}`,
      caller: caller.kind,
      name: actorOf(caller),
      address,
      code,
      ms: Math.round((monotonicMs() - began) * 10) / 10,
    });
    try {
      const response = await next(request);
      response.header.set("x-request-id", requestId);
      log[levelOfSuccess(caller)](line("ok"), "call");
      return response;
    } catch (thrown) {
      const { error, level } = answerTo(thrown);
      error.metadata.set("x-request-id", requestId);
      const cause = level === "error" ? { err: thrown } : { reason: error.rawMessage };
      log[level]({ ...line(Code[error.code]), ...cause }, "call refused");
      throw error;
    }
  };
}

/** Devices call all day; what operators do is worth a line. */
function levelOfSuccess(caller: Caller): "debug" | "info" {
  return caller.kind === "operator" ? "info" : "debug";
}
