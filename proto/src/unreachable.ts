/** Marks a branch that the types rule out; throws should it be reached anyway. */
export function unreachable(value: never): never {
  throw new Error(`unreachable: ${String(value)}`);
}
