/**
 * The agent with a crash built in, for tests: `once`, and at one of its durable acts it ends or lets
 * the test end it. Everything is the real agent's; only the way to the disk is watched.
 *
 *   crashing-agent.ts --state STATE --at entered|leaving --do kill|hold [--config FILE]
 *   crashing-agent.ts --act ACT --moment before|during|after --do kill|hold|tell [--hold ACT] [--config FILE]
 *   crashing-agent.ts --list [--config FILE]
 *
 * `entered`: the state is durable and nothing of its work is done. `leaving`: its work is done and
 * nothing about that is durable. `--act "write journal 3"` is the third time of that act.
 *
 * The act or state is told on standard output, one line of JSON. Then `kill`: SIGKILL for itself,
 * `hold`: waits for SIGCONT, at a state for ever, `tell`: goes on. `--list` tells all acts. `--hold` is
 * an act after which it is told and held before that.
 */
import { writeSync } from "node:fs";
import { parseArgs } from "node:util";

import { takeLock } from "@nix-ota/agent/agent-lock";
import { programEnvironment } from "@nix-ota/agent/environment";
import type { JournalStore } from "@nix-ota/agent/ports/records";
import { readConfig } from "@nix-ota/agent/read-config";
import { runAgent } from "@nix-ota/agent/run-agent";

import { type Watch, watchedPorts } from "./durable-acts.ts";

const { values } = parseArgs({
  options: {
    state: { type: "string" },
    at: { type: "string", default: "entered" },
    act: { type: "string" },
    moment: { type: "string", default: "before" },
    do: { type: "string", default: "kill" },
    hold: { type: "string" },
    list: { type: "boolean", default: false },
    config: { type: "string", default: "/etc/nix-ota/agent.json" },
  },
});

const config = await readConfig(values.config);
const environment = programEnvironment(process.env, config.stateDir);
const ports = watchedPorts(config, environment, watch);
const journal =
  values.state === undefined
    ? ports.journal
    : dying(ports.journal, values.state, values.at === "leaving");
await ports.disk.makeDirectory(config.stateDir);
takeLock(`${config.stateDir}/lock`, 10, environment);
await runAgent({ ...ports, journal }, config, "once", new AbortController().signal);

async function watch(...[act, moment, alone]: Parameters<Watch>): Promise<void> {
  const chosen = values.act === act && values.moment === moment;
  const held = values.hold === act && moment === "after";
  if (chosen || held || values.list) writeSync(1, `${JSON.stringify({ act, moment, alone })}\n`);
  if (chosen && values.do === "kill") await end();
  // The whole process: what goes on beside the act stands still as well.
  if (held || (chosen && values.do === "hold")) process.kill(process.pid, "SIGSTOP");
}

function dying(store: JournalStore, state: string, leaving: boolean): JournalStore {
  let current = "";
  return {
    ...store,
    async write(next) {
      const { name } = next.machine.state;
      if (leaving && current === state && name !== state) await end();
      await store.write(next);
      current = name;
      if (!leaving && name === state) await end();
    },
  };
}

/** `kill`: no handler runs and nothing is flushed: the power button of a process. */
async function end(): Promise<never> {
  if (values.state !== undefined)
    writeSync(1, `${JSON.stringify({ state: values.state, at: values.at })}\n`);
  if (values.do === "kill") process.kill(process.pid, "SIGKILL");
  return await new Promise(() => setInterval(() => {}, 60_000));
}
