import type { OtherAgents } from "./ports/health.ts";
import type { Ended } from "./process/run-command.ts";
import { runCommand } from "./process/run-command.ts";
import { fitnessOf } from "./self-test.ts";

const MAX_DETAIL = 400;

/** Runs agents of other closures as processes that die with this one. */
export function otherAgents(
  environment: Readonly<Record<string, string>>,
  settings: { readonly limitMs: number },
): OtherAgents {
  return {
    async selfTest(storePath, added, signal) {
      const ended = await runCommand(
        {
          argv: [
            `${storePath}/sw/bin/nix-ota-agent`,
            "self-test",
            "--config",
            `${storePath}/etc/nix-ota/agent.json`,
          ],
          // It finds the programs of its own system first, as its unit does.
          environment: {
            ...environment,
            PATH: `${storePath}/sw/bin:${environment["PATH"] ?? ""}`,
            ...added,
          },
          limitMs: settings.limitMs,
          outputLimitBytes: 64 * 1024,
          graceMs: 1000,
          killStrays: true,
        },
        signal,
      );
      signal.throwIfAborted();
      return {
        fitness: ended.how === "exited" ? fitnessOf(ended.code) : "unfit",
        detail: detailOf(ended, settings.limitMs),
      };
    },
  };
}

/** Its sentence goes to stdout, what ends it before that to stderr. */
function detailOf({ how, code, stdout, tail }: Ended, limitMs: number): string {
  if (how === "timed out") return `it did not end within ${limitMs / 1000} s`;
  const said = oneLine(stdout) || oneLine(tail);
  if (said !== "") return said;
  return how === "exited" ? `it ended with status ${code}` : `it was ${how}`;
}

function oneLine(text: string): string {
  return text
    .replaceAll(/\p{C}+/gu, " ")
    .trim()
    .slice(0, MAX_DETAIL);
}
