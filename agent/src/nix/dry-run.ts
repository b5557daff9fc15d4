import type { Missing } from "../ports/nix.ts";

const UNIT: Record<string, number> = {
  B: 1,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
  TiB: 1024 ** 4,
};

/**
 * Paths and unpacked bytes that `nix-store --realise --dry-run` says are missing; none: 0 and 0.
 * Undefined when it says anything else, e.g. that something would have to be built.
 */
export function parseDryRun(stderr: string): Missing | undefined {
  if (/will be built|don't know how to build/.test(stderr)) return undefined;
  const match =
    /th(?:is|ese)(?: (\d+))? paths? will be fetched \(([\d.]+) ([KMGT]?i?B) download, ([\d.]+) ([KMGT]?i?B) unpacked\)/.exec(
      stderr,
    );
  if (match === null) {
    return /error:|warning:/.test(stderr)
      ? undefined
      : { paths: 0, unpackedBytes: 0, downloadBytes: 0 };
  }
  const [, paths = "1", download = "0", downloadUnit = "B", unpacked = "0", unpackedUnit = "B"] =
    match;
  return {
    paths: Number(paths),
    downloadBytes: Math.ceil(Number(download) * (UNIT[downloadUnit] ?? 1)),
    unpackedBytes: Math.ceil(Number(unpacked) * (UNIT[unpackedUnit] ?? 1)),
  };
}
