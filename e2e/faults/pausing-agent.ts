/**
 * The agent with a stop built in, for tests: `run`, which prints "paused" at one of its durable
 * writes and waits there for SIGUSR2, so that a fault meets it in exactly that state. Everything but
 * the journal's port is the real agent's.
 *
 *   pausing-agent.ts --state STATE --at entered|leaving [--config FILE]
 *
 * `entered`: the state is durable and nothing of its work is done. `leaving`: its work is done and
 * nothing about that is durable.
 */
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";

import { machinePorts } from "@nix-ota/agent/adapters";
import { takeLock } from "@nix-ota/agent/agent-lock";
import { parseConfig } from "@nix-ota/agent/config";
import { programEnvironment } from "@nix-ota/agent/environment";
import type { JournalStore } from "@nix-ota/agent/ports/records";
import { runAgent } from "@nix-ota/agent/run-agent";

import { entryFile } from "../src/processes.ts";

const { values } = parseArgs({
  options: {
    state: { type: "string", default: "" },
    at: { type: "string", default: "entered" },
    config: { type: "string", default: "/etc/nix-ota/agent.json" },
  },
});

const config = parseConfig(await readFile(values.config, "utf8"), "");
const environment = programEnvironment(process.env, config.stateDir);
const ports = machinePorts(config, environment, {
  running: [process.execPath, entryFile("agent")],
  configFile: values.config,
});
const journal = pausing(ports.journal, values.state, values.at === "leaving");
const stopping = new AbortController();
process.once("SIGTERM", () => stopping.abort());
await ports.disk.makeDirectory(config.stateDir);
const release = takeLock(`${config.stateDir}/lock`, 10, environment);
try {
  await runAgent({ ...ports, journal }, config, "run", stopping.signal);
} catch (cause) {
  if (!stopping.signal.aborted) throw cause;
} finally {
  release();
}

function pausing(store: JournalStore, state: string, leaving: boolean): JournalStore {
  let current = "";
  let over = false;
  const pause = async () => {
    over = true;
    const gone = once(process, "SIGUSR2");
    // Whoever waits for a signal alone is at its end for node.
    const standing = setInterval(() => undefined, 60_000);
    process.stdout.write("paused\n");
    await gone;
    clearInterval(standing);
  };
  return {
    ...store,
    async write(next) {
      const { name } = next.machine.state;
      if (!over && leaving && current === state && name !== state) await pause();
      await store.write(next);
      current = name;
      if (!over && !leaving && name === state) await pause();
    },
  };
}
