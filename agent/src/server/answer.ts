import { Code, ConnectError } from "@connectrpc/connect";
import { reasonOf } from "@nix-ota/proto/reason";
import type { ReasonName } from "@nix-ota/proto/reason";

import { AgentError } from "../agent-error.ts";
import type { Answer } from "../ports/server.ts";

/** Reasons that a session given moments ago would not change. */
const SESSION_REASONS: readonly ReasonName[] = ["CREDENTIAL_INVALID", "NOT_YOUR_DEVICE"];

/** Codes of calls that were not answered in time. */
const UNANSWERED: readonly Code[] = [Code.DeadlineExceeded, Code.Canceled];

/** Whether a fresh session may cure the refusal. */
export const isSessionRefusal = (cause: unknown): boolean => {
  const refusal = reasonOf(cause);
  return refusal !== undefined && SESSION_REASONS.includes(refusal.reason);
};

/**
 * Tells an answer, a refusal and silence apart. Whatever comes back over HTTP proves contact, also a
 * proxy's 502 or garbage: the way to the server is open, and over https TLS has proven whose it is.
 * A captive portal fails in TLS, which is silence, as is a connection that cannot be made.
 */
export async function readAnswer<Value>(
  call: () => Promise<Value>,
  signal: AbortSignal,
): Promise<Answer<Value>> {
  try {
    return { got: "answer", value: await call() };
  } catch (cause) {
    signal.throwIfAborted();
    if (cause instanceof AgentError && cause.kind !== "tool") throw cause;
    const refusal = reasonOf(cause);
    if (refusal !== undefined) {
      return {
        got: "refusal",
        reason: refusal.reason,
        message: `${refusal.reason}: ${refusal.message}`.slice(0, 500),
        retryAfterMs: refusal.retryAfterMs ?? 0,
      };
    }
    const message = causeOf(cause).slice(0, 500);
    return isAnswered(cause)
      ? { got: "refusal", message, retryAfterMs: 0 }
      : { got: "silence", message };
  }
}

function isAnswered(cause: unknown): boolean {
  if (!(cause instanceof ConnectError) || UNANSWERED.includes(cause.code)) return false;
  // Errors of socket, name lookup and TLS carry the system's or the library's own code.
  return !(cause.cause instanceof Error && "code" in cause.cause);
}

/** The innermost words: `fetch failed` says nothing, `connect ECONNREFUSED` does. */
export function causeOf(cause: unknown): string {
  if (cause instanceof ConnectError) {
    return cause.cause instanceof Error && cause.cause.message !== ""
      ? cause.cause.message
      : cause.message;
  }
  return cause instanceof Error ? cause.message : String(cause);
}
