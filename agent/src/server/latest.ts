/** Values to be taken one by one; one that is put before the one before was taken takes its place. */
export interface Latest<Value> {
  readonly values: AsyncIterable<Value>;
  put(value: Value): void;
  end(): void;
}

/** What is sent over a connection that may be slow: an older report says nothing that a newer does not. */
export function latest<Value>(): Latest<Value> {
  let value: Value | undefined;
  let over = false;
  let changed: (() => void) | undefined;
  const change = () => {
    changed?.();
    changed = undefined;
  };
  async function* values() {
    while (!over) {
      if (value === undefined) {
        await new Promise<void>((resolve) => {
          changed = resolve;
        });
        continue;
      }
      const next = value;
      value = undefined;
      yield next;
    }
  }
  return {
    values: values(),
    put(next) {
      value = next;
      change();
    },
    end() {
      over = true;
      change();
    },
  };
}
