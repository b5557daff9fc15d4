import { CliError } from "./cli-error.ts";
import { parsePathInfo, type ClosurePath } from "./closure.ts";
import { nixPathInfo, type PathInfoQuestion } from "./nix.ts";

/**
 * The closure of a path as the local store has it, the path itself included.
 *
 * @throws {CliError} `store` when the store does not have all of it.
 */
export async function readLocalClosure(
  storePath: string,
  signal: AbortSignal,
  askNix: (question: PathInfoQuestion, signal: AbortSignal) => Promise<string> = nixPathInfo,
): Promise<ClosurePath[]> {
  const closure = parsePathInfo(await askNix({ paths: [storePath], recursive: true }, signal));
  const paths = new Set(closure.map(({ path }) => path));
  const lost = [storePath, ...closure.flatMap(({ references }) => references)].find(
    (path) => !paths.has(path),
  );
  if (lost !== undefined)
    throw new CliError("store", `${lost} is not valid in the local store; build it here first`);
  return closure;
}
