export const LATE: unique symbol = Symbol("late");

/** What comes of it, or `LATE` when that takes too long; the work goes on. */
export async function within<T>(work: Promise<T>, limitMs: number): Promise<T | typeof LATE> {
  const late = Promise.withResolvers<typeof LATE>();
  const timer = setTimeout(() => late.resolve(LATE), limitMs);
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
