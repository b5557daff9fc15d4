/**
 * The agent with a crash built in, for tests: `once`, and at one of its durable acts it ends or lets
 * the test end it. Everything is the real agent's; only the way to the disk is watched.
 *
 *   crashing-agent.ts --state STATE --at entered|leaving [--do kill|hold] [--config FILE]
 *   crashing-agent.ts --act ACT --moment before|during|after --do kill|hold|stop|tell [--config FILE]
 *   crashing-agent.ts --list [--config FILE]
 *
 * `entered`: the state is durable and nothing of its work is done. `leaving`: its work is done and
 * nothing about that is durable. `--act "write journal 3"` is the third time of that act.
 *
 * The act, or the state, is told on standard output, one line of JSON. Then `kill`: SIGKILL for itself, `hold`: does
 * nothing ever after, `stop`: waits for SIGCONT, `tell`: goes on. `--list` tells all and goes on.
 */
import { writeSync } from "node:fs";
import { parseArgs } from "node:util";

import { programEnvironment } from "@nix-ota/agent/environment";
import type { JournalStore } from "@nix-ota/agent/ports";
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
    list: { type: "boolean", default: false },
    config: { type: "string", default: "/etc/nix-ota/agent.json" },
  },
});

const config = await readConfig(values.config);
const ports = watchedPorts(config, programEnvironment(process.env, config.stateDir), watch);
const journal =
  values.state === undefined
    ? ports.journal
    : dying(ports.journal, values.state, values.at === "leaving");
await runAgent({ ...ports, journal }, config, "once", new AbortController().signal);

async function watch(...[act, moment]: Parameters<Watch>): Promise<void> {
  const chosen = values.act === act && values.moment === moment;
  if (chosen || values.list) writeSync(1, `${JSON.stringify({ act, moment })}\n`);
  if (chosen && (values.do === "kill" || values.do === "hold")) await end();
  if (chosen && values.do === "stop") process.kill(process.pid, "SIGSTOP");
}

function dying(store: JournalStore, state: string, leaving: boolean): JournalStore {
  let current = "";
  return {
    read: async () => await store.read(),
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
