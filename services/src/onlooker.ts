import type { Operator } from "./access/caller.ts";
import { mayRead } from "./access/scopes.ts";
import { OtaError } from "./ota-error.ts";

/** Who asks for what describes the server itself: its metrics, its calls. */
export interface Onlooker {
  /** Network address of the other end of the connection. */
  readonly address: string;
  readonly header: (name: string) => string | null;
}

/** What a proxy adds, or may. */
const FORWARDING = ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via"];

/**
 * Lets in who has the scope `read`, or comes from this machine by itself.
 *
 * A proxy on this machine comes from loopback too, with the whole world behind
 * it, and does not always say so. So loopback counts only where nothing points
 * to a proxy: no header of one, a `Host` that is loopback (which also keeps a
 * browser from being led here by another name), and `mayBeProxied` false.
 *
 * @throws {OtaError} CREDENTIAL_INVALID, SCOPE_MISSING.
 */
export async function requireOnlooker(
  onlooker: Onlooker,
  options: {
    /** Whether the configuration speaks of URLs or proxies in front. */
    readonly mayBeProxied: boolean;
    readonly operatorOf: (bearer: string) => Promise<Operator>;
  },
): Promise<void> {
  const bearer = /^Bearer +(\S{1,4096})$/i.exec(onlooker.header("authorization") ?? "")?.[1];
  if (bearer !== undefined) {
    const { scopes } = await options.operatorOf(bearer);
    if (mayRead(scopes)) return;
    throw new OtaError("SCOPE_MISSING", "this needs the scope read");
  }
  if (!options.mayBeProxied && isFromThisMachine(onlooker)) return;
  throw new OtaError(
    "CREDENTIAL_INVALID",
    "this needs a token with the scope read (Authorization: Bearer); loopback is enough only for a server without --public-url and without a proxy in front",
  );
}

function isFromThisMachine({ address, header }: Onlooker): boolean {
  if (!/^(::ffff:)?127\.\d+\.\d+\.\d+$|^::1$/.test(address)) return false;
  if (FORWARDING.some((name) => header(name) !== null)) return false;
  const host = (header("host") ?? header(":authority") ?? "").replace(/:\d+$/, "");
  return /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(host);
}
