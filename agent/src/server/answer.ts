import { Code, ConnectError } from "@connectrpc/connect";
import { reasonOf } from "@nix-ota/proto/reason";
import type { ReasonName } from "@nix-ota/proto/reason";

import { AgentError } from "../agent-error.ts";
import type { Answer } from "../ports.ts";

/** Reasons that a session given moments ago would not change. */
const SESSION_REASONS: readonly ReasonName[] = ["CREDENTIAL_INVALID", "NOT_YOUR_DEVICE"];

/** Codes that the transport itself gives when nobody answered. */
const SILENT: readonly Code[] = [
  Code.Unavailable,
  Code.DeadlineExceeded,
  Code.Canceled,
  Code.Aborted,
  Code.Unknown,
];

const isRefusedSession = (cause: unknown): boolean => {
  const refusal = reasonOf(cause);
  return refusal !== undefined && SESSION_REASONS.includes(refusal.reason);
};

/**
 * Tells an answer, a refusal by the server and silence apart. Only a refusal with the server's own
 * detail, or a code that no transport makes up, proves contact: a captive portal answers, too.
 */
export async function readAnswer<Value>(
  call: (isRefusedSession: (cause: unknown) => boolean) => Promise<Value>,
  signal: AbortSignal,
): Promise<Answer<Value>> {
  try {
    return { got: "answer", value: await call(isRefusedSession) };
  } catch (cause) {
    signal.throwIfAborted();
    if (cause instanceof AgentError && cause.kind !== "tool") throw cause;
    const refusal = reasonOf(cause);
    if (refusal !== undefined) {
      return {
        got: "refusal",
        message: `${refusal.reason}: ${refusal.message}`.slice(0, 500),
        retryAfterMs: refusal.retryAfterMs ?? 0,
      };
    }
    const message = causeOf(cause).slice(0, 500);
    if (cause instanceof ConnectError && !SILENT.includes(cause.code))
      return { got: "refusal", message, retryAfterMs: 0 };
    return { got: "silence", message };
  }
}

/** The innermost words: `fetch failed` says nothing, `connect ECONNREFUSED` does. */
function causeOf(cause: unknown): string {
  if (cause instanceof ConnectError) {
    return cause.cause instanceof Error && cause.cause.message !== ""
      ? cause.cause.message
      : cause.message;
  }
  return cause instanceof Error ? cause.message : String(cause);
}
