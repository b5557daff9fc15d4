/** A line of the agent's log. */
export type LogLine = {
  readonly level: string;
  readonly message: string;
  /** Set where the machine moved: the event. */
  readonly by?: string;
  readonly found?: string;
  readonly reason?: string;
};

/** The lines of a log that are such; what node prints when it crashes is none. */
export function logLines(text: string): LogLine[] {
  return text
    .split("\n")
    .filter((line) => line.startsWith("{") && line.endsWith("}"))
    .map((line) => JSON.parse(line) as LogLine);
}

/**
 * How often the agent asked the server since it moved last and learnt that there is nothing to do:
 * not merely that it is to wait before the next try.
 */
export function questionsAtRest(lines: readonly LogLine[]): number {
  const moved = lines.findLastIndex(({ by }) => by !== undefined);
  return lines
    .slice(moved + 1)
    .filter(
      ({ message, found, reason }) =>
        message === "asked" &&
        (found === "refused" || found === "hold") &&
        reason?.endsWith("is tried again later") !== true,
    ).length;
}
