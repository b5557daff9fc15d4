import { quoted } from "./quoted.ts";

/** Which binary caches a device takes from a manifest. */
export interface SubstituterRules {
  /** Whether `http://` is allowed beside https and s3. */
  readonly allowHttp: boolean;
  /** Whether `file:///` is allowed, e.g. a mounted stick. */
  readonly allowFile: boolean;
  /**
   * URLs under which every substituter must lie: equal to one of them, or
   * below it in whole path segments. `any`: no such list.
   */
  readonly allowed: readonly string[] | "any";
}

/** Rules for a reader that is no device: only the form is judged. */
export const ANY_SUBSTITUTER: SubstituterRules = {
  allowHttp: true,
  allowFile: true,
  allowed: "any",
};

const MAX_LENGTH = 512;

// nix reads settings out of a URL's query (`?trusted=1` turns signature checks
// off), splits lists of URLs at blanks and takes what begins with a dash for a
// flag. So the characters are listed that may stand, instead of those that may
// not, and no general URL parser with its repairs has a say.
const HOST = String.raw`(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])`;
const PATH = String.raw`(?:/[A-Za-z0-9._~+-]+)*/?`;
const HTTP = new RegExp(String.raw`^(https?)://${HOST}(?::[0-9]{1,5})?${PATH}$`);
const S3 = new RegExp(String.raw`^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]${PATH}$`);
const FILE = /^file:\/\/(?:\/[A-Za-z0-9._~+-]+)+\/?$/;

/** Undefined when a manifest may name the URL, else the sentence why not. */
export function checkSubstituterUrl(url: string, rules: SubstituterRules): string | undefined {
  if (url.length > MAX_LENGTH) {
    return `a substituter has ${url.length} characters, over ${MAX_LENGTH}`;
  }
  const form = formOf(url);
  if (form === undefined) {
    return `substituter ${quoted(url)} is no plain https, s3, http or file URL without user information, query and fragment`;
  }
  if (form === "http" && !rules.allowHttp) {
    return `substituter ${quoted(url)} is not encrypted; use https or allow insecure caches on the device`;
  }
  if (form === "file" && !rules.allowFile) {
    return `substituter ${quoted(url)} is a local directory, which the device does not allow`;
  }
  if (rules.allowed !== "any" && !rules.allowed.some((base) => liesUnder(url, base))) {
    return `substituter ${quoted(url)} is not among those that the device allows`;
  }
  return undefined;
}

function formOf(url: string): "https" | "http" | "s3" | "file" | undefined {
  // A dot segment would climb out of an allowed prefix.
  if (/\/\.{1,2}(?:\/|$)/.test(url)) return undefined;
  if (S3.test(url)) return "s3";
  if (FILE.test(url)) return "file";
  const scheme = HTTP.exec(url)?.[1];
  return scheme === "https" || scheme === "http" ? scheme : undefined;
}

function liesUnder(url: string, base: string): boolean {
  const [inner, outer] = [withoutTrailingSlash(url), withoutTrailingSlash(base)];
  return inner === outer || inner.startsWith(`${outer}/`);
}

function withoutTrailingSlash(url: string): string {
  return url.endsWith("/") ? url.slice(0, -1) : url;
}
