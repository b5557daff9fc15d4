/** What a browser says of the page that makes a request; null: nothing. */
export interface Provenance {
  readonly method: string;
  /** `Origin`. */
  readonly origin: string | null;
  /** `Sec-Fetch-Site`, which no page can set. */
  readonly fetchSite: string | null;
  /** `Content-Type`. */
  readonly contentType: string | null;
}

/** What a page of another origin can send without being asked for leave first. */
const SIMPLE_TYPES = ["application/x-www-form-urlencoded", "multipart/form-data", "text/plain"];

/**
 * Whether a request by cookie comes from the console's own pages: one of the
 * server's origins, or the very origin that it is sent to, and a body that no
 * foreign form can make. A GET carries no `Origin`, so only the browser's own
 * word counts for it.
 */
export function isOwnOrigin(request: Provenance, publicUrls: Iterable<string>): boolean {
  const isSameOrigin = request.fetchSite === "same-origin";
  if (request.method === "GET") return isSameOrigin;
  const [type = ""] = (request.contentType ?? "").split(";");
  const name = type.trim().toLowerCase();
  if (name === "" || SIMPLE_TYPES.includes(name)) return false;
  if (isSameOrigin) return true;
  const origins = [...publicUrls].map((url) => new URL(url).origin);
  return request.origin !== null && origins.includes(request.origin);
}
