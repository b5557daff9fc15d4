import { realpathSync } from "node:fs";
import { parseArgs } from "node:util";

import { machineAgent, machinePorts } from "./adapters.ts";
import { AgentError } from "./agent-error.ts";
import { takeLock } from "./agent-lock.ts";
import { takeUpAtBoot } from "./boot.ts";
import { programEnvironment } from "./environment.ts";
import { readConfig } from "./read-config.ts";
import { exitStatus, runAgent } from "./run-agent.ts";
import { printStatus, statusOf } from "./status.ts";
import { asService } from "./systemd/service.ts";
import { configurationOf } from "./systemd/succession.ts";
import { AGENT_VERSION } from "./version.ts";

const USAGE = `nix-ota-agent run|once|status|boot [--config FILE] [--json]

  run      follows the channel until it is told to stop
  once     asks once and applies what is offered
           exit status: 0 up to date or applied, 1 server not reached, 3 manifest refused,
           4 attempt failed or rolled back, 5 waits and goes on at the next start, 6 stuck
  status   what the device is at, from its own records

  boot     takes up what a reboot cut short, before the agent starts: run by nix-ota-boot.service
  dead-man --attempt ID
           goes back when the attempt has not come to its end: run by a timer that the agent sets

  --config FILE  default /etc/nix-ota/agent.json
  --system PATH  runs as the agent of that system: with its configuration, its programs first in PATH,
                 and, with run, until another system's agent is due
  --json         status as JSON
  --version
`;

/**
 * Does what the words after the program's name ask for.
 *
 * @returns the exit status.
 * @throws {AgentError} what a person has to see; kind `config` for a wrong configuration.
 */
export async function commandLine(argv: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      attempt: { type: "string" },
      config: { type: "string" },
      system: { type: "string" },
      json: { type: "boolean", default: false },
      version: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  const [command, ...more] = positionals;
  if (values.version) return print(`${AGENT_VERSION}\n`);
  if (values.help) return print(USAGE);
  const attemptFits = (command === "dead-man") === (values.attempt !== undefined);
  if (more.length > 0 || !isCommand(command) || !attemptFits) {
    process.stderr.write(USAGE);
    return 2;
  }

  // Looked at once: what the link names later is another agent's system.
  const system = values.system === undefined ? undefined : realSystem(values.system);
  const configFile = values.config ?? defaultConfig(system);
  const config = await readConfig(configFile);
  const environment = programEnvironment(ownEnvironment(system), config.stateDir);
  const machine = machinePorts(config, environment, {
    running: [process.execPath, realpathSync(process.argv[1] ?? "")],
    // In the store where the system made it: what a later system says of its agent is no matter then.
    configFile: realpathSync(configFile),
  });
  const ports = { ...machine, ...(await asService(process.env, environment, system, machine)) };
  if (command === "status") {
    const status = statusOf(config, {
      journal: await ports.journal.read(),
      trust: await ports.trust.read(),
      unreportedEvents: (await ports.outbox.oldest(1000)).length,
      server: await ports.serverNotes.read(),
    });
    return print(values.json ? `${JSON.stringify(status)}\n` : printStatus(status));
  }

  const stopping = new AbortController();
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => stopping.abort());
  await ports.disk.makeDirectory(config.stateDir);
  if (command === "dead-man") {
    const { fireDeadMan } = await import("./dead-man.ts");
    const agent = machineAgent(config, environment);
    await fireDeadMan(ports, config, values.attempt ?? "", agent, stopping.signal);
    return 0;
  }
  const release = takeLock(`${config.stateDir}/lock`, 10, environment);
  try {
    if (command === "boot") {
      await takeUpAtBoot(ports, config, stopping.signal);
      return 0;
    }
    const rest = await runAgent(ports, config, command, stopping.signal);
    return command === "once" ? exitStatus(rest) : 0;
  } catch (cause) {
    // The journal is whole: the next start takes it up.
    if (stopping.signal.aborted) return 0;
    throw cause;
  } finally {
    release();
  }
}

const COMMANDS = ["run", "once", "status", "boot", "dead-man"] as const;

function isCommand(word: string | undefined): word is (typeof COMMANDS)[number] {
  return COMMANDS.some((command) => command === word);
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
