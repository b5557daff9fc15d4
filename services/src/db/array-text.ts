/**
 * The members of an array of one dimension, from the text in which PostgreSQL
 * gives it: `{a,"b c","d\"e"}`. No column of ours has null members.
 */
export function readArray(text: string): string[] {
  const members = text.slice(1, -1).matchAll(/"((?:[^"\\]|\\.)*)"|([^,]+)/gs);
  return [...members].map(([, quoted, bare]) =>
    quoted === undefined ? (bare ?? "") : quoted.replaceAll(/\\(.)/gs, "$1"),
  );
}
