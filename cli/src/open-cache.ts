import type { Cache } from "./cache.ts";

/** Opens the cache behind a substituter URL whose form has been checked. */
export async function openCache(url: string): Promise<Cache> {
  if (url.startsWith("file://")) return (await import("./file-cache.ts")).fileCache(url);
  // S3 wants signed requests and nix knows how to make them.
  if (url.startsWith("s3://")) return (await import("./nix-cache.ts")).nixCache(url);
  return (await import("./http-cache.ts")).httpCache(url);
}
