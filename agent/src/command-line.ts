import { realpathSync } from "node:fs";
import { parseArgs } from "node:util";

import { machinePorts } from "./adapters.ts";
import { AgentError } from "./agent-error.ts";
import type { Command } from "./commands/command.ts";
import { programEnvironment } from "./environment.ts";
import { readConfig } from "./read-config.ts";
import { configurationOf } from "./systemd/succession.ts";
import { AGENT_VERSION } from "./version.ts";

const USAGE = `nix-ota-agent COMMAND [--config FILE]

  run        follows the channel until it is told to stop
  once       asks once and applies what is offered
             exit status: 0 up to date or applied, 1 server not reached, 3 manifest refused,
             4 attempt failed or rolled back, 5 waits and goes on at the next start, 6 stuck
  status     what the device is at, from its own records (--json)
  why        the same in one sentence: what it is at, and why it does not go on
  rollback [--generation N]
             leaves what is committed, which is then not tried again by itself, for the system before it
  retry [REVISION]
             tries the newest revision once more after it failed here
  apply --bundle FOLDER
             takes a release from a folder that nix-ota bundle made, without server and caches;
             --dry-run only looks whether the device takes it, --no-wait leaves it to the agent that runs
             exit status of these as of once; 0: done, 3: refused, 5: not at this moment
  self-test  whether this agent can serve this device with this configuration; changes nothing
             exit status: 0 yes, 2 the configuration is wrong, 4 no, 69 but for the server, which
             does not answer, 77 but for the server, which refuses the device
  inhibit    holds updates back: while a command runs (-- COMMAND), or for a time (--for 2h), which
             --end takes back; --why TEXT is told in status and on the server
             exit status: the command's; 75 an update was under way for longer than --wait 30m
  boot       takes up what a reboot cut short, before the agent starts: run by nix-ota-boot.service
  dead-man --attempt ID
             goes back when the attempt has not come to its end: run by a timer that the agent sets

  --config FILE  default /etc/nix-ota/agent.json
  --system PATH  runs as the agent of that system: with its configuration, its programs first in PATH,
                 and, with run, until another system's agent is due
  --version
`;

/** Every command, loaded when it is asked for: a poll at which nothing changed loads no other. */
const commands: Readonly<Record<string, () => Promise<Command>>> = {
  run: async () => (await import("./commands/follow.ts")).follow("run"),
  once: async () => (await import("./commands/follow.ts")).follow("once"),
  status: async () => (await import("./commands/status.ts")).status,
  why: async () => (await import("./commands/why.ts")).why,
  rollback: async () => (await import("./commands/rollback.ts")).rollback,
  retry: async () => (await import("./commands/retry.ts")).retry,
  apply: async () => (await import("./commands/apply.ts")).apply,
  "self-test": async () => (await import("./commands/self-test.ts")).selfTest,
  "dead-man": async () => (await import("./commands/dead-man.ts")).deadMan,
  inhibit: async () => (await import("./commands/inhibit.ts")).inhibit,
  boot: async () => (await import("./commands/boot.ts")).boot,
};

const COMMON = {
  config: { type: "string" },
  system: { type: "string" },
  version: { type: "boolean", default: false },
  help: { type: "boolean", default: false },
} as const;

/**
 * Does what the words of the command line ask for.
 *
 * @returns the exit status; 2 for words that are no command or options that it does not have.
 * @throws {AgentError} what a person has to see; kind `config` for a wrong configuration.
 */
export async function commandLine(argv: readonly string[]): Promise<number> {
  const command = await commandIn(argv);
  const parsed = parse(argv, command);
  if (parsed === undefined) return refuse();
  const { values, positionals } = parsed;
  if (values["version"] === true) return print(`${AGENT_VERSION}\n`);
  if (values["help"] === true) return print(USAGE);
  const [, ...words] = positionals;
  if (command === undefined || words.length > (command.words ?? 0)) return refuse();
  if (command.needs?.some((option) => values[option] === undefined) === true) return refuse();

  // Looked at once: what the link names later is another agent's system.
  const system = typeof values["system"] === "string" ? realSystem(values["system"]) : undefined;
  const named = values["config"];
  const configFile = typeof named === "string" ? named : defaultConfig(system);
  const config = await readConfig(configFile);
  const environment = programEnvironment(ownEnvironment(system), config.stateDir);
  return await command.run({
    config,
    system,
    ports: machinePorts(
      config,
      environment,
      {
        running: [process.execPath, realpathSync(process.argv[1] ?? "")],
        // In the store where the system made it: what a later system says of its agent is no matter then.
        configFile: realpathSync(configFile),
      },
      { configPath: configFile },
    ),
    environment,
    own: process.env,
    options: values,
    words,
    print,
  });
}

/** The command that is named, whatever stands before and after its name; undefined: there is none. */
async function commandIn(argv: readonly string[]): Promise<Command | undefined> {
  const options = { args: [...argv], allowPositionals: true, strict: false, options: COMMON };
  const name = parseArgs(options).positionals[0] ?? "";
  return Object.hasOwn(commands, name) ? await commands[name]?.() : undefined;
}

type Parsed = {
  readonly values: Readonly<Record<string, string | boolean | undefined>>;
  readonly positionals: readonly string[];
};

/** Undefined: the words are none that the command knows. */
function parse(argv: readonly string[], command: Command | undefined): Parsed | undefined {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: { ...command?.options, ...COMMON },
    });
  } catch (cause) {
    // The usage that is printed names every option; what node says of it is told first.
    process.stderr.write(`nix-ota-agent: ${(cause as Error).message}\n`);
    return undefined;
  }
}

function refuse(): number {
  process.stderr.write(USAGE);
  return 2;
}

function defaultConfig(system: string | undefined): string {
  return system === undefined ? "/etc/nix-ota/agent.json" : configurationOf(system);
}

function realSystem(path: string): string {
  try {
    return realpathSync(path);
  } catch (cause) {
    throw new AgentError("config", `--system ${path} is not there`, cause);
  }
}

/** The tools of its own system outlast a switch to one that lacks them. */
function ownEnvironment(system: string | undefined): NodeJS.ProcessEnv {
  if (system === undefined) return process.env;
  return { ...process.env, PATH: `${system}/sw/bin:${process.env["PATH"] ?? ""}` };
}

function print(text: string): number {
  process.stdout.write(text);
  return 0;
}

/** The same, with what a person has to see on standard error and in the exit status. */
export async function runCommandLine(argv: readonly string[]): Promise<number> {
  try {
    return await commandLine(argv);
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    process.stderr.write(`nix-ota-agent: ${message}\n`);
    if (cause instanceof AgentError && cause.cause instanceof Error)
      process.stderr.write(`  because: ${cause.cause.message}\n`);
    return cause instanceof AgentError && cause.kind === "config" ? 2 : 1;
  }
}
