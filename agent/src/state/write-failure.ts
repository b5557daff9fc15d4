import { AgentError } from "../agent-error.ts";

/** The error for a file or folder of a bundle that cannot be written, by what the file system threw. */
export function writeFailure(path: string, cause: unknown): AgentError {
  const { code } = cause as NodeJS.ErrnoException;
  return code === "ENOSPC" || code === "EDQUOT"
    ? new AgentError("room", `there is no space left to write ${path}; free space there`, cause)
    : new AgentError("state", `${path} cannot be written; check its disk and permissions`, cause);
}
