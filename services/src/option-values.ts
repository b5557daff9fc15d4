import { resolve } from "node:path";

/** `HOST:PORT`, with an IPv6 address in brackets. */
export function readAddress(text: string): { host: string; port: number } | undefined {
  const [, bracketed, plain, digits] =
    /^(?:\[([0-9A-Fa-f:.]+)\]|([^:\s]+)):([0-9]+)$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  const port = readInteger(digits ?? "", { least: 0, most: 65_535 });
  return host === undefined || port === undefined ? undefined : { host, port };
}

/** A path, made absolute. */
export function readPath(text: string): string | undefined {
  return text === "" || text.includes("\0") ? undefined : resolve(text);
}

/** A whole number without sign, within a range. */
export function readInteger(
  text: string,
  range: { readonly least: number; readonly most: number },
): number | undefined {
  if (!/^[0-9]{1,9}$/.test(text)) return undefined;
  const number = Number(text);
  return number >= range.least && number <= range.most ? number : undefined;
}

/** Reader of one of some words. */
export function oneOf<T extends string>(...words: readonly T[]): (text: string) => T | undefined {
  return (text) => words.find((word) => word === text);
}

/**
 * A PostgreSQL URL as it was given. It may name several hosts with commas
 * between them, which is no URL by the letter: each is looked at alone.
 */
export function readDatabaseUrl(text: string): string | undefined {
  const [, before = "", hosts = "", after = ""] =
    /^(postgres(?:ql)?:\/\/(?:[^/?#]*@)?)([^/?#]*)(.*)$/s.exec(text) ?? [];
  if (before === "") return undefined;
  const isUrl = (host: string) => {
    const url = URL.parse(`${before}${host === "" ? "localhost" : host}${after}`);
    return url !== null && [url.username, url.password, url.pathname].every(isPercentEncoded);
  };
  return hosts.split(",").every(isUrl) ? text : undefined;
}

function isPercentEncoded(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}
