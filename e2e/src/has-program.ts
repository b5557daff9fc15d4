import { accessSync, constants } from "node:fs";
import { resolve } from "node:path";

/**
 * Whether a program is there to be started: by its path, or in a folder of PATH.
 *
 * @param cwd the folder in which it is started; its path, or one of PATH, may be relative to it.
 */
export function hasProgram(program: string, path = "/usr/bin:/bin", cwd = "."): boolean {
  if (program.includes("/")) return isExecutable(resolve(cwd, program));
  return path.split(":").some((dir) => isExecutable(resolve(cwd, dir, program)));
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
