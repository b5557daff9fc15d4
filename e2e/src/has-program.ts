import { accessSync, constants } from "node:fs";
import { join } from "node:path";

/** Whether a program is there to be started: by its path, or in a folder of PATH. */
export function hasProgram(program: string, path = "/usr/bin:/bin"): boolean {
  if (program.includes("/")) return isExecutable(program);
  return path.split(":").some((dir) => isExecutable(join(dir, program)));
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
