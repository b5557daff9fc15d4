import { ask } from "./ask.ts";
import type { Command } from "./command.ts";

/** `retry [REVISION]`: lets a revision that failed here be tried once more. */
export const retry: Command = {
  words: 1,
  async run(call) {
    const { words, ports, print } = call;
    const revision = Number((words[0] ?? "0").replace(/^r/, ""));
    if (!Number.isSafeInteger(revision) || revision < 0) {
      print(`${words[0]} is no revision; write its number\n`);
      return 2;
    }
    return await ask(call, ports.chance.id(), { to: "retry", revision });
  },
};
