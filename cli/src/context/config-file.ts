import { mkdir, readFile, realpath } from "node:fs/promises";
import { dirname, isAbsolute, join } from "node:path";

import { stringify } from "smol-toml";

import { CliError } from "../cli-error.ts";
import { replaceDurableFile } from "../durable-file.ts";
import type { Host } from "../host.ts";
import { configTable, EMPTY_CONFIG, parseConfig, type Config } from "./config-document.ts";

/** What was read, and from where. */
export interface ConfigFile {
  /** Undefined where the environment names no home folder: then there is no configuration. */
  file: string | undefined;
  config: Config;
  /** Whether it has comments, which writing it again loses. */
  hasComments: boolean;
}

const HEAD = "# Written by nix-ota context. Comments are lost when that changes the file.\n\n";

/** `$XDG_CONFIG_HOME/nix-ota/config.toml`, or the same under `~/.config`. */
export function configPath(env: Host["env"]): string | undefined {
  const { XDG_CONFIG_HOME: xdg = "", HOME: home = "" } = env;
  // The XDG specification has a relative path ignored.
  if (isAbsolute(xdg)) return join(xdg, "nix-ota", "config.toml");
  return isAbsolute(home) ? join(home, ".config", "nix-ota", "config.toml") : undefined;
}

/**
 * Reads the configuration; an absent file is an empty one.
 *
 * @throws {CliError} `file` when it cannot be read or is no configuration.
 */
export async function readConfigFile(env: Host["env"]): Promise<ConfigFile> {
  const file = configPath(env);
  if (file === undefined) return { file, config: EMPTY_CONFIG, hasComments: false };
  const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return "";
    throw new CliError("file", `${file} cannot be read; check its owner and mode`, {
      cause: error,
    });
  });
  const own = text.startsWith(HEAD) ? text.slice(HEAD.length) : text;
  return { file, config: parseConfig(text, file), hasComments: /^\s*#/mu.test(own) };
}

/**
 * Writes the configuration for its owner only, so that a power cut leaves the old one or the new.
 *
 * @throws {CliError} `file` when it cannot be written.
 */
export async function writeConfigFile(file: string, config: Config): Promise<void> {
  try {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    // A link, e.g. into a folder under version control, stays one.
    const target = await realpath(file).catch(() => file);
    await replaceDurableFile(target, `${HEAD}${stringify(configTable(config))}`);
  } catch (error) {
    throw new CliError(
      "file",
      `${file} cannot be written; check its folder, or change it where it is managed`,
      { cause: error },
    );
  }
}
