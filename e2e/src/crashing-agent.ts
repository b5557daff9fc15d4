/**
 * The agent with a crash built in, for tests: `once`, and SIGKILL for itself at one of its durable
 * writes. Everything but the journal's port is the real agent's.
 *
 *   crashing-agent.ts --state STATE --at entered|leaving [--config FILE]
 *
 * `entered`: the state is durable and nothing of its work is done. `leaving`: its work is done and
 * nothing about that is durable.
 */
import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";

import { machinePorts } from "@nix-ota/agent/adapters";
import { parseConfig } from "@nix-ota/agent/config";
import { programEnvironment } from "@nix-ota/agent/environment";
import type { JournalStore } from "@nix-ota/agent/ports";
import { runAgent } from "@nix-ota/agent/run-agent";

const { values } = parseArgs({
  options: {
    state: { type: "string", default: "" },
    at: { type: "string", default: "entered" },
    config: { type: "string", default: "/etc/nix-ota/agent.json" },
  },
});

const config = parseConfig(await readFile(values.config, "utf8"), "");
const ports = machinePorts(config, programEnvironment(process.env, config.stateDir));
const journal = dying(ports.journal, values.state, values.at === "leaving");
await runAgent({ ...ports, journal }, config, "once", new AbortController().signal);

function dying(store: JournalStore, state: string, leaving: boolean): JournalStore {
  let current = "";
  return {
    read: async () => await store.read(),
    async write(next) {
      const { name } = next.machine.state;
      if (leaving && current === state && name !== state) await die();
      await store.write(next);
      current = name;
      if (!leaving && name === state) await die();
    },
  };
}

/** No handler runs and nothing is flushed: the power button of a process. */
async function die(): Promise<never> {
  process.kill(process.pid, "SIGKILL");
  return await new Promise(() => {});
}
