/**
 * What another program said, within a sentence of ours: on one line, and without the semicolon by
 * which our sentences go from the cause to what helps. Pure.
 */
export function foreignWords(text: string, limit: number): string {
  return text
    .trim()
    .replaceAll(/\s+/g, " ")
    .replaceAll(/;(?= |$)/g, ",")
    .slice(0, limit);
}
