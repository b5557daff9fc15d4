import { why as sentenceOf } from "../why.ts";
import type { Command } from "./command.ts";

/** `why`: one sentence. Takes no lock and asks nobody. */
export const why: Command = {
  async run({ config, ports, print }) {
    const journal = await ports.journal.read();
    const server = await ports.serverNotes.read();
    print(`${sentenceOf({ deviceId: config.deviceId, journal, server })}\n`);
    return 0;
  },
};
