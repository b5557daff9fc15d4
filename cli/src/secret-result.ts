import { CliError } from "./cli-error.ts";
import { createProblem, reserveDurableFile } from "./durable-file.ts";
import type { Output } from "./output.ts";

/** A secret that the server says once, and what is known of it otherwise. */
export interface Secret {
  secret: string;
  /** For a program, without the secret. */
  document: object;
  /** One line for people: what was made. */
  made: string;
}

/**
 * Makes a secret and hands it over: to a file for its owner only when one is named, else to stdout,
 * alone in its line. The file is made first: a secret that cannot be kept is not asked for.
 *
 * @throws {CliError} `file` when the file is there already or cannot be made.
 */
export async function handOverSecret(
  file: string | undefined,
  output: Output,
  make: () => Promise<Secret>,
): Promise<void> {
  if (file === undefined) {
    const { secret, document, made } = await make();
    output.note(`${made}; its secret is shown this once:`);
    output.result({ ...document, secret, file: null }, () => secret);
    return;
  }
  const fail = (error: unknown): never => {
    throw new CliError("file", createProblem(error, file), { cause: error });
  };
  const reserved = await reserveDurableFile(file).catch(fail);
  const { secret, document, made } = await make().catch(async (error: unknown) => {
    await reserved.giveUp();
    throw error;
  });
  await reserved.fill(`${secret}\n`).catch(fail);
  output.result({ ...document, secret: null, file }, () => `${made}; its secret is in ${file}`);
}
