/**
 * Trades speed of the engine for memory, in a process that waits for days and works for seconds:
 * no optimizing compiler, and young objects in the space that is there from the start. Verifying a
 * signature takes no longer, since a device verifies too few to optimize for. Only before anything
 * else is loaded.
 */
export function keepEngineLean(): void {
  const { setFlagsFromString } = process.getBuiltinModule("node:v8");
  for (const flag of ["--optimize-for-size", "--no-opt", "--semi-space-growth-factor=1"]) {
    setFlagsFromString(flag);
  }
}
