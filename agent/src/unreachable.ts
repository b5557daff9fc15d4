/** Marks a branch that the types rule out; a value that arrives here is a defect. */
export function unreachable(value: never): never {
  throw new Error(`no branch for ${JSON.stringify(value)}`);
}
