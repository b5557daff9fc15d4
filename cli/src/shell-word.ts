import { safeText } from "./terminal-text.ts";

/** A word as a POSIX shell takes it literally, for commands that people copy. */
export function shellWord(text: string): string {
  const safe = safeText(text);
  if (/^[A-Za-z0-9_.,:/@%+=-]+$/u.test(safe)) return safe;
  return `'${safe.replaceAll("'", String.raw`'\''`)}'`;
}
