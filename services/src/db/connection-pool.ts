import type { PostgresPool, PostgresPoolClient, PostgresQueryResult } from "kysely";

import { OtaError } from "../ota-error.ts";

/** A connection that can be lent. */
export interface PooledConnection {
  /** Whether it must not be used any more. */
  readonly isLost: boolean;
  query<R>(text: string, parameters: readonly unknown[]): Promise<PostgresQueryResult<R>>;
  /** Cuts it at once. */
  close(): void;
  /** Ends it in good order, within so many seconds. */
  end(limitS: number): Promise<void>;
}

export interface ConnectionPoolOptions {
  /** Makes a connection, which connects at its first statement. */
  readonly open: () => PooledConnection;
  /** Most connections. */
  readonly size: number;
  /** How long a call waits for one, milliseconds. */
  readonly waitMs: number;
  readonly endLimitS: number;
  /** Age beyond which one is replaced: what it prepared and holds is never given back else. */
  readonly lifeMs: number;
  /** Undefined: the machine's. */
  readonly monotonicMs?: () => number;
}

interface Waiting {
  readonly lend: (connection: PooledConnection) => void;
  readonly refuse: (reason: OtaError) => void;
  readonly timer: NodeJS.Timeout;
}

/** Lends each connection to one call at a time, first come first served. A lost one is replaced. */
export class ConnectionPool implements PostgresPool {
  readonly options = {};
  readonly #own: Required<ConnectionPoolOptions>;
  #idle: PooledConnection[] = [];
  readonly #lent = new Set<PooledConnection>();
  readonly #openedAt = new WeakMap<PooledConnection, number>();
  readonly #waiting = new Set<Waiting>();
  #isEnding = false;

  constructor(options: ConnectionPoolOptions) {
    this.#own = { monotonicMs: () => performance.now(), ...options };
  }

  /** How it is used at the moment. */
  get use(): { inUse: number; waiting: number; size: number } {
    return { inUse: this.#lent.size, waiting: this.#waiting.size, size: this.#own.size };
  }

  /** @throws {OtaError} DATABASE_UNAVAILABLE when none is free in time, or the pool ended. */
  async connect(): Promise<PostgresPoolClient> {
    if (this.#isEnding) throw ending();
    const connection = this.#take() ?? (await this.#wait());
    const query = async <R>(text: string, parameters: readonly unknown[]) =>
      await connection.query<R>(text, parameters);
    return {
      query: query as PostgresPoolClient["query"],
      release: (isSpoilt = false) => this.#takeBack(connection, isSpoilt),
    };
  }

  /** Ends every connection in good order; whoever waits for one, or asks later, is refused. */
  async end(): Promise<void> {
    this.#isEnding = true;
    for (const { refuse, timer } of this.#waiting) {
      clearTimeout(timer);
      refuse(ending());
    }
    this.#waiting.clear();
    const all = [...this.#idle, ...this.#lent];
    await Promise.all(all.map(async (connection) => await connection.end(this.#own.endLimitS)));
  }

  #take(): PooledConnection | undefined {
    this.#idle = this.#idle.filter(({ isLost }) => !isLost);
    const free = this.#idle.length + this.#lent.size < this.#own.size;
    const connection = this.#idle.pop() ?? (free ? this.#open() : undefined);
    if (connection !== undefined) this.#lent.add(connection);
    return connection;
  }

  #open(): PooledConnection {
    const connection = this.#own.open();
    this.#openedAt.set(connection, this.#own.monotonicMs());
    return connection;
  }

  #isOld(connection: PooledConnection): boolean {
    const openedAt = this.#openedAt.get(connection) ?? 0;
    return this.#own.monotonicMs() - openedAt > this.#own.lifeMs;
  }

  /** What took one connection took those at rest as well, as a rule: each would cost a call to find out. */
  #drop(connection: PooledConnection): void {
    for (const one of [connection, ...this.#idle]) one.close();
    this.#idle = [];
  }

  async #wait(): Promise<PooledConnection> {
    return await new Promise((resolve, reject) => {
      const waiting: Waiting = {
        lend: resolve,
        refuse: reject,
        timer: setTimeout(() => {
          this.#waiting.delete(waiting);
          const sentence = `no connection to the database within ${this.#own.waitMs} ms`;
          reject(new OtaError("DATABASE_UNAVAILABLE", sentence));
        }, this.#own.waitMs),
      };
      this.#waiting.add(waiting);
    });
  }

  #takeBack(connection: PooledConnection, isSpoilt: boolean): void {
    this.#lent.delete(connection);
    if (isSpoilt || connection.isLost) this.#drop(connection);
    else if (this.#isOld(connection)) void connection.end(this.#own.endLimitS);
    else this.#idle.push(connection);
    const [next] = this.#waiting;
    const free = next && this.#take();
    if (next === undefined || free === undefined) return;
    this.#waiting.delete(next);
    clearTimeout(next.timer);
    next.lend(free);
  }
}

function ending(): OtaError {
  return new OtaError("DATABASE_UNAVAILABLE", "the server lets go of the database");
}
