const LONGEST = 80;

/**
 * Text of unknown origin for use inside a message: in double quotes, cut to 80
 * characters, everything but printable ASCII escaped, so that it can neither
 * reach a terminal as a control sequence nor reorder the line it stands in.
 */
export function quoted(text: string): string {
  const cut = text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
  const escaped = JSON.stringify(cut).replaceAll(/[^ -~…]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
  return escaped;
}
