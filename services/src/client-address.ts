import { BlockList, isIP, isIPv6 } from "node:net";

/** Networks whose word about who called is believed. */
export interface TrustedProxies {
  has(address: string): boolean;
}

/** `NETWORK/BITS`, or one address; undefined for anything else. */
export function readNetwork(text: string): string | undefined {
  const [, address = "", bits] = /^([0-9A-Fa-f.:]+)(?:\/([0-9]{1,3}))?$/.exec(text) ?? [];
  const family = isIP(address);
  if (family === 0) return undefined;
  const most = family === 4 ? 32 : 128;
  const length = bits === undefined ? most : Number(bits);
  return length <= most ? `${address}/${length}` : undefined;
}

/** @param networks As `readNetwork` gives them. */
export function trustedProxies(networks: readonly string[]): TrustedProxies {
  const list = new BlockList();
  for (const network of networks) {
    const [address = "", bits = ""] = network.split("/");
    list.addSubnet(address, Number(bits), isIPv6(address) ? "ipv6" : "ipv4");
  }
  return { has: (address) => list.check(address, isIPv6(address) ? "ipv6" : "ipv4") };
}

/**
 * Network address of the caller: the other end of the connection, or what
 * trusted proxies say of it in `X-Forwarded-For`. Read from the right, where
 * each proxy adds whom it was called by: the first one that is not itself
 * trusted is the caller, and what stands before that the caller wrote.
 */
export function clientAddress(
  remote: string,
  forwardedFor: string | null,
  trusted: TrustedProxies,
): string {
  let caller = plain(remote);
  if (!isTrusted(caller, trusted) || forwardedFor === null) return caller;
  for (const entry of forwardedFor.split(",").toReversed()) {
    const hop = plain(withoutPort(entry.trim()));
    // A proxy that names nobody: whoever it speaks for is behind it.
    if (isIP(hop) === 0) return caller;
    caller = hop;
    if (!isTrusted(caller, trusted)) return caller;
  }
  return caller;
}

/**
 * What calls are counted by: of IPv6 the network of 64 bits, which one
 * subscriber has whole.
 */
export function networkOf(address: string): string {
  if (!isIPv6(address)) return address;
  const [head = "", tail] = address.split("::", 2);
  const groups = head === "" ? [] : head.split(":");
  const missing =
    tail === undefined ? 0 : 8 - groups.length - tail.split(":").filter(Boolean).length;
  const all = [
    ...groups,
    ...Array.from({ length: missing }, () => "0"),
    ...(tail ?? "").split(":"),
  ];
  return `${all
    .slice(0, 4)
    .map((group) => Number.parseInt(group === "" ? "0" : group, 16).toString(16))
    .join(":")}::/64`;
}

function isTrusted(address: string, trusted: TrustedProxies): boolean {
  return isIP(address) !== 0 && trusted.has(address);
}

/** One spelling: IPv4 in IPv6 is IPv4, and an interface's name is left out. */
function plain(address: string): string {
  const [bare = ""] = address.toLowerCase().split("%", 1);
  return /^::ffff:([0-9]+(?:\.[0-9]+){3})$/.exec(bare)?.[1] ?? bare;
}

/** Some proxies write the port behind the address. */
function withoutPort(entry: string): string {
  return (
    /^\[([^\]]+)\](?::[0-9]+)?$/.exec(entry)?.[1] ?? /^([0-9.]+):[0-9]+$/.exec(entry)?.[1] ?? entry
  );
}
