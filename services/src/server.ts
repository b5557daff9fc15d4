import { readFileSync } from "node:fs";
import { setImmediate } from "node:timers/promises";

import { normalizeServerUrl } from "@nix-ota/proto/auth-statement";
import type { Logger } from "pino";

import { readPublishToken } from "./access/publish-token.ts";
import { readSessionKeys } from "./access/session-key-file.ts";
import type { Credentials } from "./auth.ts";
import { commitReports } from "./checkin/report-queries.ts";
import { createReportWriter } from "./checkin/report-writer.ts";
import type { Config } from "./config.ts";
import { ping } from "./db/answers.ts";
import { connect } from "./db/connect.ts";
import { migrate } from "./db/migrate.ts";
import { ensureEventPartitions } from "./db/partitions.ts";
import { sqlFault } from "./db/sql-fault.ts";
import type { Store } from "./db/store.ts";
import { answerTo } from "./errors.ts";
import { healthPages } from "./health.ts";
import { LIMITS } from "./limits.ts";
import { listen } from "./listener.ts";
import { startMaintenance } from "./maintenance.ts";
import { OtaError } from "./ota-error.ts";
import { routes } from "./routes.ts";

/** A server that takes calls. */
export interface Server {
  /** Where it listens, e.g. `http://127.0.0.1:8080`. */
  readonly url: string;
  /**
   * Ends it: not ready, no more connections, calls under way finish, what they
   * brought is durable, the database is closed. Nothing that was acknowledged
   * is lost. Some 30 s at most.
   */
  close(): Promise<void>;
}

/** A file that the server needs is missing or wrong; the sentence names the remedy. */
export class StartRefused extends Error {
  override readonly name = "StartRefused";
}

/**
 * Opens the database, migrates it and listens.
 *
 * @throws {StartRefused} for files that are wrong, {SchemaTooNew}, {DataDirInUse}.
 */
export async function startServer(config: Config, log: Logger): Promise<Server> {
  const credentials = readCredentials(config);
  const store = await connect(config, log);
  try {
    return await serve(config, { credentials, store, log });
  } catch (cause) {
    await store.close();
    throw cause;
  }
}

async function serve(
  config: Config,
  opened: { readonly credentials: Credentials; readonly store: Store; readonly log: Logger },
): Promise<Server> {
  const { credentials, store, log } = opened;
  const migrations = await migrate(store.db);
  await ensureEventPartitions(store.db);
  log.info({ database: store.kind, durable: store.durable, migrations }, "database ready");

  const reports = createReportWriter({
    commit: (rows) => committed(commitReports(store.db, rows)),
    isRowFault: (error) => sqlFault(error)?.kind === "data",
    ...LIMITS,
  });
  const shutdown = new AbortController();
  const publicUrls = new Set(config.publicUrls);
  const listener = await listen(
    config.listen,
    routes({
      deps: {
        db: store.db,
        log,
        reports,
        publicUrls,
        sessionKeys: credentials.sessionKeys,
        nowMs: () => Date.now(),
        random: () => Math.random(),
        nextTurn: () => setImmediate(),
        enrolment: {
          mode: config.enrolment,
          perHour: config.openEnrolmentsPerHour,
          most: config.openEnrolments,
        },
        checkInIntervalMs: config.checkInIntervalS * 1000,
        version: versionOfProgram(),
      },
      credentials,
      parts: config.services,
      shutdown: shutdown.signal,
      monotonicMs: () => performance.now(),
      fallback: healthPages(async () => {
        if (shutdown.signal.aborted) return false;
        await ping(store.db);
        return true;
      }),
    }),
  );
  const url = `http://${hostForUrl(config.listen.host)}:${listener.port}`;
  if (publicUrls.size === 0) {
    for (const own of ownUrls(config.listen.host, listener.port)) publicUrls.add(own);
  }
  const maintenance = startMaintenance(store, log, LIMITS.maintainEveryMs);
  if (credentials.publishToken === undefined) {
    log.warn("no publish token: nobody can publish; give --publish-token-file");
  }
  log.info({ url, publicUrls: [...publicUrls], services: config.services }, "listening");

  return {
    url,
    async close() {
      // From here on /readyz is 503 and calls that wait are answered.
      shutdown.abort(
        answerTo(new OtaError("SHUTTING_DOWN", "the server is ending; try again")).error,
      );
      const allEnded = await listener.close(LIMITS.shutdownCallsMs);
      if (!allEnded) log.warn("some calls did not end in time and were cut");
      const written = Promise.all([reports.drain(), maintenance.stop()]);
      if ((await within(written, LIMITS.shutdownWritesMs)) === undefined) {
        log.warn("the database did not answer; what it was last given was acknowledged to nobody");
      }
      await store.close();
      log.info("ended");
    },
  };
}

/** A commit that takes too long is refused: the report comes again, and counts once. */
async function committed<T extends object>(commit: Promise<T>): Promise<T> {
  const outcome = await within(commit, LIMITS.commitMs);
  if (outcome !== undefined) return outcome;
  throw new OtaError("DATABASE_UNAVAILABLE", `no commit within ${LIMITS.commitMs} ms`);
}

/** What comes of it, or undefined when that takes too long. */
async function within<T extends object>(work: Promise<T>, limitMs: number): Promise<T | undefined> {
  const late = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => late.resolve(undefined), limitMs);
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

function readCredentials(config: Config): Credentials {
  const problems: string[] = [];
  const sessionKeys = readSessionKeys(config.sessionKeyFile);
  if (typeof sessionKeys === "string") problems.push(sessionKeys);
  const publishToken =
    config.publishTokenFile === undefined ? undefined : readPublishToken(config.publishTokenFile);
  if (typeof publishToken === "string") problems.push(publishToken);
  if (typeof sessionKeys === "string" || typeof publishToken === "string") {
    throw new StartRefused(problems.join("\n"));
  }
  return { sessionKeys, publishToken };
}

/** How devices on this machine may spell where it listens. */
function ownUrls(host: string, port: number): readonly string[] {
  const isLoopback = host === "localhost" || host === "::1" || host.startsWith("127.");
  const hosts = isLoopback ? [hostForUrl(host), "localhost", "127.0.0.1"] : [hostForUrl(host)];
  return hosts.flatMap((name) => normalizeServerUrl(`http://${name}:${port}`) ?? []);
}

function hostForUrl(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}

function versionOfProgram(): string {
  const file = new URL("../package.json", import.meta.url);
  const { version }: { version: string } = JSON.parse(readFileSync(file, "utf8"));
  return version;
}
