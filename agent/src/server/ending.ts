import { Code, ConnectError } from "@connectrpc/connect";
import { reasonOf } from "@nix-ota/proto/reason";
import type { ReasonName } from "@nix-ota/proto/reason";

/** What the end of a held connection says by itself; whether calls are answered is known elsewhere. */
export interface Told {
  readonly how: "unsupported" | "announced" | "refused" | "broken";
  /** Least wait that the server asked for, milliseconds. */
  readonly retryAfterMs: number;
}

/** Reasons by which the server ends what goes on with another connection, or another session. */
const ANNOUNCED: readonly ReasonName[] = ["STREAM_ENDED", "SHUTTING_DOWN", "CREDENTIAL_INVALID"];

/** Reasons that are the server's own trouble. */
const TROUBLE: readonly ReasonName[] = ["INTERNAL", "DATABASE_UNAVAILABLE"];

/** Statuses of proxies and servers that do not know what to do with such a request. */
const NOT_CARRIED = /^HTTP (400|404|405|411|415|421|426|464|501|505)$/;

/** Codes of a peer that speaks, but not HTTP/2. */
const NO_HTTP2: readonly string[] = [
  "ERR_HTTP2_ERROR",
  "ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL",
  "HPE_INVALID_CONSTANT",
];

/** @param cause the error it ended with; undefined: it ended without one, as only a proxy ends it. */
export function endingOf(cause: unknown): Told {
  const refusal = reasonOf(cause);
  const retryAfterMs = refusal?.retryAfterMs ?? 0;
  if (refusal !== undefined) {
    if (ANNOUNCED.includes(refusal.reason)) return { how: "announced", retryAfterMs };
    return { how: TROUBLE.includes(refusal.reason) ? "broken" : "refused", retryAfterMs };
  }
  return { how: isUnsupported(cause) ? "unsupported" : "broken", retryAfterMs };
}

function isUnsupported(cause: unknown): boolean {
  if (!(cause instanceof ConnectError)) return false;
  if (cause.code === Code.Unimplemented || NOT_CARRIED.test(cause.rawMessage)) return true;
  for (let inner: unknown = cause.cause; inner instanceof Error; inner = inner.cause) {
    if ("code" in inner && NO_HTTP2.includes(String(inner.code))) return true;
  }
  return false;
}
