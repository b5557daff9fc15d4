/** Paths of one or several closures, each once. */
export interface ClosureGraph<P> {
  readonly paths: readonly P[];
  /** The path and everything that it reaches by references. */
  closureOf(storePath: string): readonly P[];
}

interface GraphPath {
  path: string;
  references: readonly string[];
}

/** A graph of paths that are all there; references to others lead nowhere. */
export function closureGraph<P extends GraphPath>(paths: readonly P[]): ClosureGraph<P> {
  const known = new Map(paths.map((one) => [one.path, one]));
  return {
    paths,
    closureOf(storePath) {
      const found = new Set<P>();
      const open = [storePath];
      for (let path = open.pop(); path !== undefined; path = open.pop()) {
        const one = known.get(path);
        if (one === undefined || found.has(one)) continue;
        found.add(one);
        open.push(...one.references);
      }
      return [...found];
    },
  };
}
