import { STATUS } from "../request.ts";
import { why } from "../why.ts";
import { ask } from "./ask.ts";
import type { Command } from "./command.ts";

/**
 * `rollback [--generation N]`: leaves the committed revision, or the one that waits for its reboot,
 * which is not tried again by itself.
 */
export const rollback: Command = {
  options: { generation: { type: "string" } },
  async run(call) {
    const { config, ports, options, print } = call;
    const generation = Number(options["generation"] ?? 0);
    if (!Number.isSafeInteger(generation) || generation < 0) {
      print(
        "--generation is the number of a generation, as `nix-env --list-generations` tells them\n",
      );
      return 2;
    }
    const journal = await ports.journal.read();
    const state = journal?.machine.state;
    if (state?.name === "awaitingReboot") {
      if (generation > 0) {
        print(
          `r${state.attempt.revision} waits for its reboot and is not committed, so it is left for what runs; leave it without --generation\n`,
        );
        return STATUS.refused;
      }
      return await ask(call, ports.chance.id(), { to: "leave", attempt: state.attempt.id });
    }
    if (state !== undefined && "attempt" in state && state.name !== "stuck") {
      const server = await ports.serverNotes.read();
      print(
        `${why({ deviceId: config.deviceId, journal, server })}; ask again when that has ended\n`,
      );
      return STATUS.waits;
    }
    const committed = (await ports.trust.read()).channels[config.channel]?.committed;
    const payloadSha256 = committed?.payloadSha256 ?? "";
    return await ask(call, ports.chance.id(), { to: "rollback", payloadSha256, generation });
  },
};
