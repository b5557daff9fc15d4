import { machineAgent } from "../adapters.ts";
import { fireDeadMan } from "../dead-man.ts";
import type { Command } from "./command.ts";
import { stopSignal } from "./under-lock.ts";

/** `dead-man --attempt ID`: what fires when nobody brought the attempt to its end in time. */
export const deadMan: Command = {
  options: { attempt: { type: "string" } },
  needs: ["attempt"],
  async run({ config, ports, environment, options }) {
    await ports.disk.makeDirectory(config.stateDir);
    const agent = machineAgent(config, environment);
    await fireDeadMan(ports, config, String(options["attempt"]), agent, stopSignal());
    return 0;
  },
};
