import { parseArgs } from "node:util";

import { machinePorts } from "./adapters.ts";
import { takeLock } from "./agent-lock.ts";
import { programEnvironment } from "./environment.ts";
import { readConfig } from "./read-config.ts";
import { exitStatus, runAgent } from "./run-agent.ts";
import { printStatus, statusOf } from "./status.ts";
import { AGENT_VERSION } from "./version.ts";

const USAGE = `nix-ota-agent run|once|status [--config FILE] [--json]

  run      follows the channel until it is told to stop
  once     asks once and applies what is offered
           exit status: 0 up to date or applied, 1 server not reached, 3 manifest refused,
           4 attempt failed or rolled back, 5 waits and goes on at the next start, 6 stuck
  status   what the device is at, from its own records

  --config FILE  default /etc/nix-ota/agent.json
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
      config: { type: "string", default: "/etc/nix-ota/agent.json" },
      json: { type: "boolean", default: false },
      version: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  const [command, ...more] = positionals;
  if (values.version) return print(`${AGENT_VERSION}\n`);
  if (values.help) return print(USAGE);
  if (more.length > 0 || (command !== "run" && command !== "once" && command !== "status")) {
    process.stderr.write(USAGE);
    return 2;
  }

  const config = await readConfig(values.config);
  const environment = programEnvironment(process.env, config.stateDir);
  const ports = machinePorts(config, environment);
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
  const release = takeLock(`${config.stateDir}/lock`, 10, environment);
  try {
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

function print(text: string): number {
  process.stdout.write(text);
  return 0;
}
