import type * as Prompts from "@clack/prompts";

import { CliError } from "./cli-error.ts";
import type { Host } from "./host.ts";

/** Questions to the person at the terminal. Each throws `declined` where nobody can answer. */
export interface Ask {
  /** Whether anybody can answer. */
  readonly possible: boolean;
  /** A question with yes or no. */
  confirm(question: string): Promise<boolean>;
  /** Whether the person types exactly `word`: for what should not be waved through. */
  typed(question: string, word: string): Promise<boolean>;
  /** A passphrase, not echoed. */
  secret(question: string): Promise<string>;
}

/** Asks on the terminal, through stderr so that stdout holds the result alone. */
export function terminalAsk(host: Host): Ask {
  const ask = async <T>(put: (prompts: typeof Prompts, common: Common) => Promise<T | symbol>) => {
    if (!host.canAsk) throw new CliError("declined", "there is no terminal to ask on");
    const prompts = await import("@clack/prompts");
    const answer = await put(prompts, { output: process.stderr, signal: host.signal });
    if (prompts.isCancel(answer)) throw new CliError("declined", "cancelled; nothing was done");
    return answer as T;
  };
  return {
    possible: host.canAsk,
    confirm: (question) =>
      ask<boolean>((prompts, common) =>
        prompts.confirm({ ...common, message: question, initialValue: false }),
      ),
    typed: async (question, word) => {
      const answer = await ask<string>((prompts, common) =>
        prompts.text({ ...common, message: `${question} Type ${word} to go on.` }),
      );
      return answer.trim() === word;
    },
    secret: (question) =>
      ask<string>((prompts, common) => prompts.password({ ...common, message: question })),
  };
}

interface Common {
  output: NodeJS.WriteStream;
  signal: AbortSignal;
}
