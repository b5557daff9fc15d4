import { styleText } from "node:util";

type Format = Parameters<typeof styleText>[0];

/** Tells what happens, a line at a time, with the seconds since the beginning. */
export class Narrator {
  readonly #begun = performance.now();

  /** A new part of the story. */
  chapter(title: string): void {
    process.stdout.write(`\n${styleText(["bold"], title)}\n`);
  }

  /** Something that happened; `who` is a device or a part of the deployment. */
  says(who: string, what: string, format: Format = "reset"): void {
    const seconds = ((performance.now() - this.#begun) / 1000).toFixed(1).padStart(6);
    process.stdout.write(
      `${styleText("dim", `${seconds} s`)}  ${styleText("cyan", who.padEnd(10))}  ${styleText(format, what)}\n`,
    );
  }

  /** The output of a command, set off from the story. */
  shows(command: string, output: string): void {
    const lines = output.trimEnd().split("\n");
    process.stdout.write(
      `${["", styleText("dim", `$ ${command}`), ...lines].map((line) => (line === "" ? "" : `    ${line}`)).join("\n")}\n`,
    );
  }

  plain(text: string): void {
    process.stdout.write(`${text}\n`);
  }
}
