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
