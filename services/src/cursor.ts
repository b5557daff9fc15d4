import { OtaError } from "./ota-error.ts";

/** Where a page ended: the sort key of its last row. */
export type CursorParts = readonly string[];

const MOST_CHARACTERS = 256;

/**
 * An opaque cursor: where the next page begins.
 *
 * @param call Name of the call, which alone takes the cursor again.
 */
export function makeCursor(call: string, parts: CursorParts): string {
  return Buffer.from(JSON.stringify([call, ...parts])).toString("base64url");
}

/**
 * The parts of a cursor; undefined for the empty one, which begins at the start.
 *
 * @throws {OtaError} CURSOR_INVALID for anything that the call did not make.
 */
export function readCursor(call: string, text: string, partCount: number): CursorParts | undefined {
  if (text === "") return undefined;
  const [name, ...parts] = decode(text);
  if (name === call && parts.length === partCount) return parts;
  throw new OtaError("CURSOR_INVALID", "the cursor is not from this call; begin without one");
}

/** A sort key: PostgreSQL's text has neither zero bytes nor halves of characters. */
function isText(part: unknown): part is string {
  return typeof part === "string" && part.isWellFormed() && !part.includes("\0");
}

function decode(text: string): string[] {
  if (text.length > MOST_CHARACTERS) return [];
  try {
    const parts: unknown = JSON.parse(Buffer.from(text, "base64url").toString("utf8"));
    return Array.isArray(parts) && parts.every(isText) ? parts : [];
  } catch {
    // Not JSON: like any other text that this server did not make.
    return [];
  }
}
