import { Socket } from "node:net";

import type { PostgresQueryResult } from "kysely";
import postgres from "postgres";

import { OtaError } from "../ota-error.ts";
import { LATE, within } from "../within.ts";
import type { PooledConnection } from "./connection-pool.ts";
import { timeAllowedBy } from "./statement-time.ts";

/** Where a database is, as the driver reads it from the URL. */
interface Place {
  readonly host: readonly string[];
  readonly port: readonly number[];
  /** A socket in the file system, instead of both. */
  readonly path: string | false | undefined;
}

/**
 * One connection to PostgreSQL, for as long as it lasts. The driver's own pool is
 * not used: it never notices a database that says nothing, connects anew in the
 * middle of a transaction, and does not survive a statement on a connection that
 * broke.
 */
export class PostgresqlConnection implements PooledConnection {
  readonly #sql: postgres.Sql;
  readonly #silenceMs: number;
  #socket: Socket | undefined;
  #isLost = false;
  /** Beyond the usual silence; of the transaction under way. */
  #allowedMs = 0;

  /**
   * @param options Of the driver.
   * @param place How many connections were made before: where the URL names
   * several hosts, each is the next one's.
   * @param silenceMs How long an answer may take, beyond what its transaction allows.
   */
  constructor(
    url: string,
    options: postgres.Options<Record<string, postgres.PostgresType>>,
    { place, silenceMs }: { readonly place: number; readonly silenceMs: number },
  ) {
    this.#silenceMs = silenceMs;
    const own = {
      max: 1,
      // It would ask for types after connecting, and end the program when that breaks.
      fetch_types: false,
      max_lifetime: null,
      onclose: () => {
        this.#isLost = true;
      },
      // Documented, though not among the types.
      socket: (where: Place) => this.#connect(where, place),
    };
    this.#sql = postgres(url, { ...options, ...own } as typeof options);
  }

  get isLost(): boolean {
    return this.#isLost;
  }

  /** @throws {OtaError} DATABASE_UNAVAILABLE when the connection is lost, or silent. */
  async query<R>(text: string, parameters: readonly unknown[]): Promise<PostgresQueryResult<R>> {
    if (this.#isLost) throw unavailable("the connection to the database was lost");
    const asked = this.#sql.unsafe(text, [...parameters] as never[], { prepare: true });
    const limitMs = Math.max(this.#silenceMs, this.#allowedMs);
    const answer = await within(asked, limitMs).catch((error: unknown) => {
      throw this.#failure(error);
    });
    if (answer === LATE) {
      this.close();
      throw unavailable(`no answer of the database within ${limitMs} ms`);
    }
    if (/^(commit|rollback)$/.test(text)) this.#allowedMs = 0;
    else this.#allowedMs = timeAllowedBy(text) ?? this.#allowedMs;
    return {
      command: answer.command as PostgresQueryResult<R>["command"],
      rowCount: answer.count,
      rows: [...answer] as R[],
    };
  }

  /** Notes what the failure means for the connection. */
  #failure(error: unknown): unknown {
    // Whatever PostgreSQL does not call fatal leaves its session as it was.
    const isFatal =
      !(error instanceof postgres.PostgresError) || /^(FATAL|PANIC)$/.test(error.severity);
    if (isFatal) this.#isLost = true;
    // The driver makes it unwritable, and Kysely adds where the statement came from.
    if (error instanceof Error) {
      Object.defineProperty(error, "stack", { value: error.stack, writable: true });
    }
    return error;
  }

  /** Cuts it at once. */
  close(): void {
    this.#isLost = true;
    this.#socket?.destroy();
    void this.end(0);
  }

  /** Ends it in good order, within so many seconds. */
  async end(limitS: number): Promise<void> {
    await this.#sql.end({ timeout: limitS });
    this.#socket?.destroy();
  }

  #connect({ host, port, path }: Place, place: number): Socket {
    // A second one would not be in the transaction of the first.
    if (this.#socket !== undefined) throw unavailable("the connection to the database was lost");
    const socket = new Socket();
    this.#socket = socket;
    if (typeof path === "string" && path !== "") return socket.connect(path);
    const index = place % Math.max(1, host.length);
    const [name = "localhost", number = 5432] = [host[index], port[index]];
    socket.connect(number, name);
    // By the name the driver verifies certificates.
    return Object.assign(socket, { host: name, port: number });
  }
}

function unavailable(sentence: string): OtaError {
  return new OtaError("DATABASE_UNAVAILABLE", sentence);
}
