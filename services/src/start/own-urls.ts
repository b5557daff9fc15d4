import { normalizeServerUrl } from "@nix-ota/proto/auth-statement";

/** Where a server listens. */
export interface Place {
  readonly scheme: "http" | "https";
  /** A name or an address, of IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
}

/** One URL of it, e.g. `http://[::1]:8080`. */
export function urlOf({ scheme, host, port }: Place): string {
  return `${scheme}://${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** Its URLs, normalised, as devices on this machine may spell them. */
export function ownUrls(place: Place): readonly string[] {
  const { host } = place;
  const isLoopback = host === "localhost" || host === "::1" || host.startsWith("127.");
  const hosts = isLoopback ? [host, "localhost", "127.0.0.1"] : [host];
  return hosts.flatMap((name) => normalizeServerUrl(urlOf({ ...place, host: name })) ?? []);
}
