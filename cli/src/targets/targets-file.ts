import { CliError } from "../cli-error.ts";
import { readFileBounded } from "../read-file.ts";
import { expectTargets, type Wanted } from "./wanted.ts";

/** 256 lines of names and store paths are under 100 KiB. */
const LIMIT_BYTES = 1024 * 1024;

/**
 * Reads a file that names the system of each target, one a line: the target, blanks, and a store
 * path or a link to one. `-` in place of the target is for devices that have none; empty lines and
 * what follows a `#` at the beginning of a line are left out.
 *
 * @throws {CliError} `file` or `usage` naming the line.
 */
export async function readTargetsFile(file: string): Promise<readonly Wanted[]> {
  return parseTargets(await readFileBounded(file, LIMIT_BYTES, "check --targets"), file);
}

/** The same of the file's text. */
export function parseTargets(text: string, file: string): readonly Wanted[] {
  const wanted = text.split(/\r?\n/u).flatMap((line, index) => {
    const words = line.trim().split(/\s+/u);
    const [target = "", path] = words;
    if (target === "" || target.startsWith("#")) return [];
    if (path === undefined || words.length > 2)
      throw new CliError(
        "usage",
        `line ${index + 1} of ${file} is not a target and a path: write front /nix/store/…`,
      );
    return [{ target: target === "-" ? "" : target, path }];
  });
  return expectTargets(wanted, file);
}
