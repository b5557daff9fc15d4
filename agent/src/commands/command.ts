import type { Config } from "../config.ts";
import type { Ports } from "../ports/ports.ts";

/** What a command is called with. */
export interface Call {
  readonly config: Config;
  /** Real path of the system whose agent this is; undefined: nobody says. */
  readonly system: string | undefined;
  /** Nothing is read or written before a port is used. */
  readonly ports: Ports;
  /** Of the programs that the command runs. */
  readonly environment: Readonly<Record<string, string>>;
  /** The agent's own: what whoever started it says beside the arguments. */
  readonly own: Readonly<Record<string, string | undefined>>;
  /** Options as given; what a command does not know was refused. */
  readonly options: Readonly<Record<string, string | boolean | undefined>>;
  /** Words after the command's name. */
  readonly words: readonly string[];
  readonly print: (text: string) => void;
}

/** A word of the command line. */
export interface Command {
  /** Options beside `--config`. */
  readonly options?: Readonly<Record<string, { readonly type: "string" | "boolean" }>>;
  /** Options without which it cannot be called. */
  readonly needs?: readonly string[];
  /** Most words after its name. Default 0. */
  readonly words?: number;
  /**
   * @returns the exit status.
   * @throws {AgentError} what a person has to see.
   */
  run(call: Call): Promise<number>;
}
