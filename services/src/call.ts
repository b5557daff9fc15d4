import { Code, ConnectError, createContextKey, type HandlerContext } from "@connectrpc/connect";

/** What is known of a call before anything of it is believed. */
export interface Call {
  /** Ties the answer (header `x-request-id`) to the log. */
  readonly requestId: string;
  /** Network address of the caller, or of the proxy in front. */
  readonly address: string;
  /** When its headers were read; by the monotonic clock. */
  readonly arrivedMs: number;
}

/** Where a call's own data stands in the context. */
export const CALL = createContextKey<Call>({ requestId: "", address: "", arrivedMs: 0 });

/** Network address that the call came from. */
export function addressOf(context: HandlerContext): string {
  return context.values.get(CALL).address;
}

/**
 * Ends what a call opened when the call ends. Its signal is what always tells: a
 * generator that waits for its reader is not resumed when that one is gone.
 */
export function endWithCall(opened: { end(reason: Error): void }, signal: AbortSignal): void {
  const end = () => opened.end(callEnd(signal));
  if (signal.aborted) end();
  else signal.addEventListener("abort", end, { once: true });
}

/** With what a call ended whose signal was aborted: shutdown, its deadline, or its caller. */
export function callEnd(signal: AbortSignal): ConnectError {
  return signal.reason instanceof ConnectError
    ? signal.reason
    : new ConnectError("the caller went away", Code.Canceled);
}
