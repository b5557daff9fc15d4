import { dirname, join, resolve } from "node:path";

import { CliError } from "../cli-error.ts";
import type { Host } from "../host.ts";
import type { Config, Context } from "./config-document.ts";
import { readConfigFile } from "./config-file.ts";

/** The context that a command goes by. */
export interface ChosenContext extends Context {
  name: string;
  /** Whether the command line names it: then it goes before the environment. */
  byFlag: boolean;
}

/**
 * The context named by `--context`, else by NIX_OTA_CONTEXT, else the default one; undefined where
 * there is none. Paths in it are absolute.
 *
 * @throws {CliError} `usage` for a name that is no context, `file` for a file that is none.
 */
export async function chosenContext(
  options: { context?: string | undefined },
  host: Host,
): Promise<ChosenContext | undefined> {
  const { file, config } = await readConfigFile(host.env);
  const wanted = options.context ?? (host.env["NIX_OTA_CONTEXT"] || undefined);
  const name = wanted ?? config.defaultContext;
  if (name === undefined) return undefined;
  const byFlag = options.context !== undefined;
  return {
    ...withPaths(contextOf(config, name), file ?? ".", host.env["HOME"] ?? ""),
    name,
    byFlag,
  };
}

/** @throws {CliError} `usage` naming the contexts that there are. */
export function contextOf(config: Config, name: string): Context {
  const context = config.contexts.get(name);
  if (context !== undefined) return context;
  const names = [...config.contexts.keys()];
  const remedy =
    names.length === 0 ? "nix-ota context set makes one" : `there are ${names.join(", ")}`;
  throw new CliError("usage", `there is no context ${JSON.stringify(name)}; ${remedy}`);
}

/** Paths in the file are relative to it; `~/` is the home folder. */
function withPaths(context: Context, file: string, home: string): Context {
  const absolute = (path: string): string =>
    path.startsWith("~/") ? join(home, path.slice(2)) : resolve(dirname(file), path);
  const { tokenFile, keys } = context;
  return {
    ...context,
    ...(tokenFile === undefined ? {} : { tokenFile: absolute(tokenFile) }),
    ...(keys === undefined ? {} : { keys: keys.map(absolute) }),
  };
}
