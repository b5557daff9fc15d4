/** One page of a list. */
export interface Page<T> {
  items: readonly T[];
  /** Empty on the last page. */
  nextCursor: string;
}

/**
 * Reads pages until the list ends or `limit` items are there. `more` says whether some were left
 * out. A server that repeats a cursor or sends a page of nothing ends the list: it might never end
 * by itself.
 */
export async function readPages<T>(
  limit: number,
  read: (cursor: string) => Promise<Page<T>>,
): Promise<{ items: readonly T[]; more: boolean }> {
  const items: T[] = [];
  let cursor = "";
  while (items.length < limit) {
    const page = await read(cursor);
    items.push(...page.items);
    const last = page.nextCursor === "" || page.nextCursor === cursor || page.items.length === 0;
    if (last) return { items: items.slice(0, limit), more: items.length > limit };
    cursor = page.nextCursor;
  }
  return { items: items.slice(0, limit), more: true };
}
