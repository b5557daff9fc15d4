// Text that devices report is hostile: escape sequences repaint a terminal, bidirectional controls
// make one word read as another.
// eslint-disable-next-line no-control-regex -- these are what has to go
const CONTROLS =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]/gu;

/** Makes text safe to print in one line: no control, bidirectional or invisible characters. */
export function safeText(text: string, maxLength = 1024): string {
  const clean = text.replaceAll(/[\t\n\r]+/gu, " ").replaceAll(CONTROLS, "");
  return clean.length > maxLength ? `${clean.slice(0, maxLength - 1)}…` : clean;
}

/** JSON in which the characters that `safeText` drops are escaped: the same value, safe to print. */
export function safeJson(value: unknown, form: "indented" | "line" = "indented"): string {
  const text = JSON.stringify(value, undefined, form === "line" ? undefined : 2);
  const escape = (character: string): string =>
    `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return text.replaceAll(CONTROLS, (character) =>
    character === "\n" ? character : escape(character),
  );
}

/** Shortens to `length` by leaving out the middle: both ends of a store path tell something. */
export function shortenMiddle(text: string, length: number): string {
  if (text.length <= length) return text;
  const kept = length - 1;
  const front = Math.ceil(kept / 2);
  return `${text.slice(0, front)}…${text.slice(text.length - (kept - front))}`;
}
