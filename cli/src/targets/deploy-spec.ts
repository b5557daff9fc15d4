import { CliError } from "../cli-error.ts";
import type { Output } from "../output.ts";
import { readFileBounded } from "../read-file.ts";
import { expectTargets, type Wanted } from "./wanted.ts";

const LIMIT_BYTES = 1024 * 1024;

/**
 * Reads a Cachix Deploy specification: each of its agents is a target.
 *
 * @throws {CliError} `file`, or `usage` when it is none.
 */
export async function readDeploySpec(file: string, output: Output): Promise<readonly Wanted[]> {
  return parseDeploySpec(
    await readFileBounded(file, LIMIT_BYTES, "check --deploy-json"),
    file,
    output,
  );
}

/** The same of the file's text. */
export function parseDeploySpec(text: string, file: string, output: Output): readonly Wanted[] {
  const spec = parseJson(text, file);
  const agents = isRecord(spec) ? spec["agents"] : undefined;
  if (!isRecord(spec) || !isRecord(agents))
    throw new CliError(
      "usage",
      `${file} is no deploy specification: it has no "agents", a map from names to store paths`,
    );
  if (spec["rollbackScript"] !== undefined)
    output.note(
      `the rollbackScript of ${file} is left out: devices prove health by their own command and go back by themselves`,
    );
  const wanted = Object.entries(agents).map(([target, path]) => {
    if (typeof path === "string") return { target, path };
    throw new CliError("usage", `agent ${JSON.stringify(target)} of ${file} has no store path`);
  });
  return expectTargets(wanted, file);
}

function parseJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new CliError("usage", `${file} is not JSON; give the file that cachix deploy takes`, {
      cause: error,
    });
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
