import { existsSync } from "node:fs";
import { join } from "node:path";

const FOLDER = join(import.meta.dirname, "../../.cache/newer-nix/bin");

/** Programs of a nix that is newer than the host's, as `scripts/setup` unpacked it; undefined: none. */
export function newerNix(): string | undefined {
  return existsSync(FOLDER) ? FOLDER : undefined;
}
