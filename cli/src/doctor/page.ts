/** A small page that a server or cache gives. */
export interface Page {
  status: number;
  text: string;
  /** What its `Date` header says, milliseconds since 1970 UTC. */
  dateMs: number | undefined;
}

const LIMIT_MS = 10_000;
const LIMIT_BYTES = 64 * 1024;

/**
 * Gets a page of at most 64 KiB within 10 s, and follows no redirection: what calls follow none
 * either.
 *
 * @throws what `fetch` throws, and an error for a longer page.
 */
export async function getPage(url: string, signal: AbortSignal): Promise<Page> {
  const response = await fetch(url, {
    redirect: "manual",
    signal: AbortSignal.any([signal, AbortSignal.timeout(LIMIT_MS)]),
  });
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > LIMIT_BYTES) throw new Error(`the page is over ${LIMIT_BYTES} bytes`);
    chunks.push(chunk);
  }
  const dateMs = Date.parse(response.headers.get("date") ?? "");
  return {
    status: response.status,
    text: Buffer.concat(chunks).toString("utf8"),
    dateMs: Number.isNaN(dateMs) ? undefined : dateMs,
  };
}

/** Why a page could not be had, and what to do about it. */
export function pageProblem(error: unknown): { found: string; remedy: string } {
  if (!(error instanceof Error)) return { found: String(error), remedy: "try again" };
  if (error.name === "TimeoutError")
    return { found: `no answer within ${LIMIT_MS / 1000} s`, remedy: "check the network" };
  // fetch says only "fetch failed"; what happened is underneath.
  const cause = error.cause instanceof Error ? error.cause : error;
  const code = "code" in cause && typeof cause.code === "string" ? cause.code : "";
  return { found: cause.message || code || error.message, remedy: remedyOf(code) };
}

const REMEDIES: Readonly<Record<string, string>> = {
  ENOTFOUND: "check the host's name and the name service",
  EAI_AGAIN: "check the name service of this machine",
  ECONNREFUSED: "check the port, and that it is running",
  CERT_HAS_EXPIRED: "renew its certificate",
  CERT_NOT_YET_VALID: "check the clock of this machine",
  DEPTH_ZERO_SELF_SIGNED_CERT: "give the certificate's authority in NODE_EXTRA_CA_CERTS",
  SELF_SIGNED_CERT_IN_CHAIN: "give the certificate's authority in NODE_EXTRA_CA_CERTS",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    "serve the whole chain, or give the authority in NODE_EXTRA_CA_CERTS",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    "serve the whole chain, or give the authority in NODE_EXTRA_CA_CERTS",
  ERR_TLS_CERT_ALTNAME_INVALID: "use the name that the certificate is for",
  ERR_SSL_WRONG_VERSION_NUMBER: "it speaks no TLS there; write http:// or the port that does",
  EPROTO: "it speaks no TLS there; write http:// or the port that does",
};

function remedyOf(code: string): string {
  return REMEDIES[code] ?? "check the URL and the network";
}
