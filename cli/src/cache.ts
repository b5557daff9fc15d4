import type { Narinfo } from "./narinfo.ts";

/** A binary cache, to be asked what it holds. */
export interface Cache {
  /** As the manifest names it. */
  readonly url: string;
  /**
   * What it says of those of the paths that it holds; the others are left out.
   *
   * @throws {CliError} `cache` when it does not answer, or not in a form that nix would take.
   */
  lookup(paths: readonly string[], signal: AbortSignal): Promise<Map<string, Narinfo>>;
}

/** Opens the cache behind a substituter URL whose form has been checked. */
export async function openCache(url: string): Promise<Cache> {
  if (url.startsWith("file://")) return (await import("./file-cache.ts")).fileCache(url);
  // S3 wants signed requests and nix knows how to make them.
  if (url.startsWith("s3://")) return (await import("./nix-cache.ts")).nixCache(url);
  return (await import("./http-cache.ts")).httpCache(url);
}
