/**
 * A document with `block` between the markers `<!-- name:begin -->` and `<!-- name:end -->`.
 *
 * @throws Error when the markers are missing or in the wrong order
 */
export function withBlock(document: string, name: string, block: string): string {
  const [beginMark, endMark] = [`<!-- ${name}:begin -->`, `<!-- ${name}:end -->`];
  const begin = document.indexOf(beginMark);
  const end = document.indexOf(endMark);
  if (begin === -1 || end < begin)
    throw new Error(`no block for ${name}: put ${beginMark} and ${endMark} on two lines`);
  return `${document.slice(0, begin + beginMark.length)}\n${block}\n${document.slice(end)}`;
}
