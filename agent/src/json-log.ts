import type { Log } from "./ports.ts";

/** One JSON object a line on stderr, with the time by the wall clock. */
export const jsonLog: Log = (level, message, facts = {}) => {
  process.stderr.write(
    `${JSON.stringify({ at: new Date().toISOString(), level, message, ...facts })}\n`,
  );
};
