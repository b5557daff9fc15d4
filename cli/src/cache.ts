import type { Narinfo } from "@nix-ota/proto/narinfo";

/** A binary cache, to be asked what it holds. */
export interface Cache {
  /** As the manifest names it. */
  readonly url: string;
  /**
   * What it says of those of the paths that it holds; the others are left out.
   *
   * @param onAnswered Called with the number of paths that it has answered about so far.
   * @throws {CliError} `cache` when it does not answer, or not in a form that nix would take.
   */
  lookup(
    paths: readonly string[],
    signal: AbortSignal,
    onAnswered?: (count: number) => void,
  ): Promise<Map<string, Narinfo>>;
}
