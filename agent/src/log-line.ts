/** A log entry as one line of text. Pure. */
import type { Log } from "./ports/supervision.ts";

type Level = Parameters<Log>[0];
type Facts = Readonly<Record<string, unknown>>;

/** Priorities of syslog, which systemd takes from the start of a line. */
const PRIORITY: Record<Level, number> = { info: 6, warn: 4, error: 3 };

/** For programs: a JSON object. */
export function jsonLine(at: string, level: Level, message: string, facts: Facts): string {
  return `${JSON.stringify({ at, level, message, ...facts })}\n`;
}

/** What the journal has by itself, or `status` tells: it would hide the sentence. */
const LEFT_OUT: ReadonlySet<string> = new Set([
  "id",
  "channel",
  "state",
  "storePath",
  "elapsedMs",
  "fetch",
]);

/**
 * For people who read the journal, which has time and priority of its own: the message, the sentence
 * that explains it, and the facts that are neither empty nor false.
 */
export function journalLine(level: Level, message: string, facts: Facts): string {
  const { message: sentence, reason, ...others } = facts;
  const explanation = [sentence, reason].find((one): one is string => typeof one === "string");
  const told = Object.entries(others)
    .filter(([name]) => !LEFT_OUT.has(name))
    .filter(([, value]) => value !== undefined && value !== "" && value !== false)
    .map(([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`);
  const parts = [
    explanation === undefined || explanation === "" ? message : `${message}: ${explanation}`,
    ...(told.length === 0 ? [] : [`[${told.join(", ")}]`]),
  ];
  return `<${PRIORITY[level]}>${parts.join(" ").replaceAll(/\s*\n\s*/g, " / ")}\n`;
}
