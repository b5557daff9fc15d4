#!/usr/bin/env node
import { keepEngineLean } from "./lean-engine.ts";
import { machineLog } from "./machine-log.ts";
import { pollQuietly } from "./quiet/poll-quietly.ts";

const argv = process.argv.slice(2);
const [command, option, value] = argv;

/** `once` and nothing else than where the configuration is: what a timer starts all day. */
const configPath =
  command !== "once" || argv.length > 3
    ? undefined
    : option === undefined
      ? "/etc/nix-ota/agent.json"
      : option === "--config"
        ? value
        : undefined;

const reason = configPath === undefined ? undefined : await pollQuietly(configPath);
if (reason !== undefined) {
  machineLog("info", "asked", { found: "hold", reason });
} else {
  // The whole agent takes several times as long to load as node takes to start.
  if (command === "run") keepEngineLean();
  const { runCommandLine } = await import("./command-line.ts");
  process.exitCode = await runCommandLine(argv);
}
