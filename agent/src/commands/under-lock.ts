import { takeLock } from "../agent-lock.ts";
import type { Call } from "./command.ts";

/** Longest wait for another agent or command to end, seconds. */
const LOCK_WAIT_S = 10;

/**
 * Works under the agent's lock until the work is done or somebody asks this process to end, which is
 * no failure: the journal is whole, and the next start takes it up.
 *
 * @returns the exit status of the work; 0 when it was asked to end.
 * @throws {AgentError} kind `busy` while another holds the lock.
 */
export async function underLock(
  { config, ports, environment }: Call,
  work: (signal: AbortSignal) => Promise<number>,
): Promise<number> {
  const signal = stopSignal();
  await ports.disk.makeDirectory(config.stateDir);
  const release = takeLock(`${config.stateDir}/lock`, LOCK_WAIT_S, environment);
  try {
    return await work(signal);
  } catch (cause) {
    if (signal.aborted) return 0;
    throw cause;
  } finally {
    release();
  }
}

/** Aborted when somebody asks this process to end. */
export function stopSignal(): AbortSignal {
  const stopping = new AbortController();
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => stopping.abort());
  return stopping.signal;
}
