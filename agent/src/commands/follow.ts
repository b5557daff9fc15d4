import { exposedSecrets } from "../exposed-secrets.ts";
import type { Ports } from "../ports/ports.ts";
import type { Mode } from "../run-agent.ts";
import { exitStatus, runAgent } from "../run-agent.ts";
import { asService } from "../systemd/service.ts";
import type { Call, Command } from "./command.ts";
import { underLock } from "./under-lock.ts";

/** `run` and `once`: the agent itself. */
export const follow = (mode: Mode): Command => ({
  run: async (call) =>
    await underLock(call, async (signal) => {
      for (const exposed of await exposedSecrets(call.config)) call.ports.log("warn", exposed);
      const rest = await runAgent(await servicePorts(call), call.config, mode, signal);
      return mode === "once" ? exitStatus(rest) : 0;
    }),
});

/** The ports of an agent that systemd may have started. */
export async function servicePorts({ ports, own, environment, system }: Call): Promise<Ports> {
  return { ...ports, ...(await asService(own, environment, system, ports)) };
}
