import { CliError } from "../cli-error.ts";
import { parseName } from "../name-argument.ts";
import type { Output } from "../output.ts";
import type { Wanted } from "./wanted.ts";

/** How a command line names what devices are to run. */
export interface WantedOptions {
  storePath?: string | undefined;
  target: string;
  targets?: string | undefined;
  flake?: string | undefined;
  host: string[];
  deployJson?: string | undefined;
}

/**
 * Judges what a command line names before anything is read.
 *
 * @throws {CliError} `usage`.
 */
export function expectWanted(options: WantedOptions): void {
  const { storePath, target, targets, flake, host, deployJson } = options;
  const sources = {
    "--store-path": storePath,
    "--targets": targets,
    "--flake": flake,
    "--deploy-json": deployJson,
  };
  const given = Object.entries(sources).flatMap(([flag, value]) => (value ? [flag] : []));
  if (given.length === 0)
    throw new CliError(
      "usage",
      "no system is named; give --store-path, --targets, --flake or --deploy-json",
    );
  if (given.length > 1)
    throw new CliError("usage", `${given.join(" and ")} are both given; leave one out`);
  if (target !== "") parseName("--target", target);
  if (target !== "" && storePath === undefined)
    throw new CliError("usage", "--target goes with --store-path; the others name their targets");
  if (host.length > 0 && flake === undefined)
    throw new CliError("usage", "--host chooses of a --flake; give one");
}

/**
 * The systems that a command line names; those of a flake are built.
 *
 * @throws {CliError} `usage`, `file` or `store`.
 */
export async function readWanted(
  { storePath, target, targets, flake, host, deployJson }: WantedOptions,
  output: Output,
  signal: AbortSignal,
): Promise<readonly Wanted[]> {
  if (targets !== undefined) return (await import("./targets-file.ts")).readTargetsFile(targets);
  if (deployJson !== undefined)
    return (await import("./deploy-spec.ts")).readDeploySpec(deployJson, output);
  if (flake !== undefined) {
    const { buildFlake } = await import("./flake.ts");
    return buildFlake({ reference: flake, hosts: host }, output, signal);
  }
  return [{ target, path: storePath ?? "" }];
}
