import { CliError } from "./cli-error.ts";
import { closureGraph, type ClosureGraph } from "./closure-graph.ts";
import { parsePathInfo, type ClosurePath } from "./closure.ts";
import { nixPathInfo, type PathInfoQuestion } from "./nix.ts";

/**
 * The closures of paths as the local store has them, the paths themselves included.
 *
 * @throws {CliError} `store` when the store does not have all of them.
 */
export async function readLocalClosures(
  storePaths: readonly string[],
  signal: AbortSignal,
  askNix: (question: PathInfoQuestion, signal: AbortSignal) => Promise<string> = nixPathInfo,
): Promise<ClosureGraph<ClosurePath>> {
  const asked = [...new Set(storePaths)];
  const closure = parsePathInfo(await askNix({ paths: asked, recursive: true }, signal));
  const paths = new Set(closure.map(({ path }) => path));
  const lost = [...asked, ...closure.flatMap(({ references }) => references)].find(
    (path) => !paths.has(path),
  );
  if (lost !== undefined)
    throw new CliError("store", `${lost} is not valid in the local store; build it here first`);
  return closureGraph(closure);
}
