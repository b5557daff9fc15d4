const STORE_PATH = /^\/nix\/store\/([0-9a-df-np-sv-z]{32})-([0-9A-Za-z+._?=-]{1,211})$/;

/** Whether `text` is a path directly under `/nix/store`, and nothing else. */
export function isStorePath(text: string): boolean {
  return STORE_PATH.test(text);
}

/** The 32 characters of the hash; undefined when it is no store path. */
export function storePathHash(path: string): string | undefined {
  return STORE_PATH.exec(path)?.[1];
}

/** What follows the hash and its dash; undefined when it is no store path. */
export function storePathName(path: string): string | undefined {
  return STORE_PATH.exec(path)?.[2];
}

/** A package's name, and its version (empty where there is none). */
export interface PackageName {
  readonly name: string;
  readonly version: string;
}

/**
 * Name and version of a store path's package, or of a bare name such as
 * `openssh-9.6p1`, by nix's rule: the version begins after the first dash that
 * no letter follows.
 */
export function packageName(pathOrName: string): PackageName {
  const text = storePathName(pathOrName) ?? pathOrName;
  const dash = text.search(/-[^A-Za-z]/);
  if (dash < 0) return { name: text, version: "" };
  return { name: text.slice(0, dash), version: text.slice(dash + 1) };
}
