import { isId } from "@nix-ota/proto/ids";
import { isStorePath } from "@nix-ota/proto/store-path";

import { CliError } from "../cli-error.ts";
import { nixBuild, nixEval } from "../nix.ts";
import type { Output } from "../output.ts";
import { safeText } from "../terminal-text.ts";
import { expectTargets, type Wanted } from "./wanted.ts";

/** Asks nix; outside of tests `nixEval` and `nixBuild`. */
export interface FlakeNix {
  /** JSON of an installable after a function of the nix language. */
  eval(installable: string, apply: string, signal: AbortSignal): Promise<string>;
  /** JSON that tells what was built. */
  build(installable: string, signal: AbortSignal, onWord: (line: string) => void): Promise<string>;
}

const REAL_NIX: FlakeNix = { eval: nixEval, build: nixBuild };

/** What the command line says of a flake. */
export interface FlakeWishes {
  /** E.g. `.`, `github:owner/name`, or with one host `.#fridge`. */
  reference: string;
  /** Only these; empty: all. */
  hosts: readonly string[];
}

/**
 * Builds the system of every `nixosConfigurations` of a flake, each the target of its name. One after
 * the other, since the evaluation of each takes a gigabyte.
 *
 * @throws {CliError} `usage` for hosts that are not there, `store` when nix fails.
 */
export async function buildFlake(
  { reference, hosts }: FlakeWishes,
  output: Output,
  signal: AbortSignal,
  nix: FlakeNix = REAL_NIX,
): Promise<readonly Wanted[]> {
  const [flake = "", fragment = ""] = reference.split(/#(.*)/u);
  const chosen = fragment === "" ? hosts : [...new Set([fragment, ...hosts])];
  output.note(`reading the nixosConfigurations of ${flake}`);
  const listed = await nix.eval(`${flake}#nixosConfigurations`, "builtins.attrNames", signal);
  const names = chooseHosts(parseNames(listed, flake), chosen, flake);
  const wanted: Wanted[] = [];
  for (const name of names) {
    output.note(`building ${name} (${wanted.length + 1} of ${names.length})`);
    const installable = `${flake}#nixosConfigurations."${name}".config.system.build.toplevel`;
    const built = await nix.build(installable, signal, (line) => output.progress(safeText(line)));
    const path = parseBuilt(built, name);
    // Nothing links to it: whoever has to copy it to a cache needs the name.
    output.note(`${name}: ${path}`);
    wanted.push({ target: name, path });
  }
  return wanted;
}

function chooseHosts(
  names: readonly string[],
  chosen: readonly string[],
  flake: string,
): readonly string[] {
  const absent = chosen.filter((host) => !names.includes(host));
  if (absent.length > 0)
    throw new CliError(
      "usage",
      `${flake} has no nixosConfigurations named ${absent.join(", ")}; it has: ${names.join(", ") || "none"}`,
    );
  const wanted = chosen.length > 0 ? chosen : names;
  const unfit = wanted.find((name) => !isId(name));
  if (unfit !== undefined)
    throw new CliError(
      "usage",
      `nixosConfigurations ${JSON.stringify(unfit)} cannot name a target, which has lower-case letters, digits, dots, dashes and underscores; choose others with --host`,
    );
  expectTargets(
    wanted.map((target) => ({ target, path: "" })),
    flake,
  );
  return wanted;
}

function parseNames(json: string, flake: string): readonly string[] {
  const names: unknown = parse(json);
  if (Array.isArray(names) && names.every((name) => typeof name === "string")) return names;
  throw new CliError("store", `the nixosConfigurations of ${flake} are no attribute set`);
}

/** `nix build --json` prints a list with the outputs of each, from 2.8 to 2.30. */
function parseBuilt(json: string, name: string): string {
  const built: unknown = parse(json);
  const outputs = Array.isArray(built) ? (built[0] as { outputs?: Record<string, unknown> }) : {};
  const path = outputs.outputs?.["out"];
  if (typeof path === "string" && isStorePath(path)) return path;
  throw new CliError("store", `nix build printed no store path for ${name}; try it by hand`);
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch (error) {
    throw new CliError("store", "nix did not print JSON; check the nix on the PATH", {
      cause: error,
    });
  }
}
