/** What the program is asked to do. */
export type Command =
  | { readonly kind: "serve" }
  /** Looks at the configuration and ends. */
  | { readonly kind: "check-config" }
  | { readonly kind: "export"; readonly file: string }
  | { readonly kind: "import"; readonly file: string }
  | { readonly kind: "restored" };

/** The commands as `--help` tells them. */
export const COMMANDS = {
  export: {
    argument: "FILE",
    meaning:
      "write the whole database, as it is at one moment, into one file: its backup, and the way to another database; of secrets it holds only digests. The embedded database is exported while no server runs on it",
  },
  import: {
    argument: "FILE",
    meaning:
      "fill an empty database from such a file, and mark it as restored: sessions end, tokens wait to be confirmed, channels are paused",
  },
  restored: {
    argument: undefined,
    meaning: "mark a PostgreSQL that was restored by other means, e.g. pg_restore",
  },
} as const;

/** Reads the words that are no options. Returns the sentence that says what is wrong. */
export function readCommand(words: readonly string[]): Command | string {
  const [name, file, ...more] = words;
  if (name === undefined) return { kind: "serve" };
  if (name !== "export" && name !== "import" && name !== "restored") {
    return `there is no such command; one of ${Object.keys(COMMANDS).join(", ")}, or none to serve`;
  }
  const takesFile = COMMANDS[name].argument !== undefined;
  if (takesFile && (file === undefined || file === "")) return `${name} needs a FILE after it`;
  if (more.length > 0 || (!takesFile && file !== undefined)) return `${name} takes nothing more`;
  return name === "restored" ? { kind: name } : { kind: name, file: file ?? "" };
}
