import { holdsForStatus } from "../leave.ts";
import { printStatus, statusOf } from "../status.ts";
import type { Command } from "./command.ts";

/** `status`: what the device is at, from its own records. Takes no lock and asks nobody. */
export const status: Command = {
  options: { json: { type: "boolean" } },
  async run({ config, ports, options, print }) {
    const status = statusOf(config, {
      journal: await ports.journal.read(),
      trust: await ports.trust.read(),
      holds: await holdsForStatus(ports, config),
      unreportedEvents: (await ports.outbox.oldest(1000)).length,
      server: await ports.serverNotes.read(),
    });
    print(options["json"] === true ? `${JSON.stringify(status)}\n` : printStatus(status));
    return 0;
  },
};
