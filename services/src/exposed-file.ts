import { realpathSync, statSync } from "node:fs";

import { exposure } from "@nix-ota/proto/secret-exposure";

/** As `exposure`, of a file on this host; one that is not there is no concern here. */
export function exposureOf(file: string, what: string): string | undefined {
  try {
    const path = realpathSync(file);
    const found = statSync(path);
    // A pipe or a terminal has no others.
    if (!found.isFile()) return undefined;
    return exposure(what, { file, path, ...found }, process.geteuid?.() ?? 0);
  } catch {
    // That it cannot be read is told where it is read.
    return undefined;
  }
}
