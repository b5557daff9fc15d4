/**
 * What another program said, within a sentence of ours: on one line, without what moves a terminal,
 * and without the semicolon by which our sentences go from the cause to what helps. Pure.
 *
 * @param limit most characters; the rest is cut off.
 */
export function foreignWords(text: string, limit: number): string {
  return text
    .replaceAll(/[\s\p{Cc}]+/gu, " ")
    .trim()
    .replaceAll(/;(?= |$)/g, ",")
    .slice(0, limit);
}
