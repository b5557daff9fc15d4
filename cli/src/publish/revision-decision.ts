import { revisionText } from "../amounts.ts";
import type { Ask } from "../ask.ts";
import { CliError } from "../cli-error.ts";
import { nextRevision } from "../next-revision.ts";
import type { Output } from "../output.ts";
import { unreachable } from "../unreachable.ts";
import type { Head } from "./head.ts";
import type { ReleaseWishes } from "./publish.ts";

/** Whom to ask and tell. */
interface Advisers {
  ask: Ask;
  output: Output;
}

/**
 * The revision to sign. What only the server says, and a long jump, a person has to confirm.
 *
 * @throws {CliError} `usage`, `unproven` or `declined` when there is none.
 */
export async function decideRevision(
  head: Head,
  wishes: ReleaseWishes,
  advisers: Advisers,
): Promise<bigint> {
  const next = nextRevision(await believedHead(head, wishes, advisers), wishes.revision);
  switch (next.kind) {
    case "sign":
      return next.revision;
    case "jump": {
      const question = `${revisionText(next.revision)} is ${next.over} above the head, and devices never go back.`;
      if (wishes.yes || (await askTyped(question, revisionText(next.revision), advisers)))
        return next.revision;
      throw new CliError("declined", "the jump was not confirmed; nothing was published");
    }
    case "not-above":
      throw new CliError(
        "usage",
        `--revision ${next.revision} is not above the head r${next.head}; leave it out to take r${next.head + 1n}`,
      );
    case "exhausted":
      throw new CliError("refused", "the channel has no revision left; publish on another channel");
    default:
      return unreachable(next);
  }
}

/** The head's number as far as something better than the server says it. */
async function believedHead(
  head: Head,
  wishes: ReleaseWishes,
  advisers: Advisers,
): Promise<bigint> {
  switch (head.kind) {
    case "none":
      return 0n;
    case "proven":
      return head.revision;
    case "unproven": {
      const { revision, storePath } = head.claimed;
      const problem = `the server names ${revisionText(revision)} ${storePath} as head of ${wishes.channel}, which your keys do not prove: ${head.problem}`;
      if (wishes.revision !== undefined) {
        advisers.output.warn(`${problem}; signing ${revisionText(wishes.revision)} as asked`);
        return 0n;
      }
      if (!advisers.ask.possible)
        throw new CliError(
          "unproven",
          `${problem}; name the other signers' keys with --public-key, or the number with --revision`,
        );
      advisers.output.warn(problem);
      const word = revisionText(revision + 1n);
      if (await advisers.ask.typed(`Sign ${word} after it all the same?`, word)) return revision;
      throw new CliError("declined", "the head was not confirmed; nothing was published");
    }
    default:
      return unreachable(head);
  }
}

async function askTyped(question: string, word: string, advisers: Advisers): Promise<boolean> {
  if (advisers.ask.possible) return advisers.ask.typed(question, word);
  throw new CliError("declined", `${question} confirm with --yes`);
}
