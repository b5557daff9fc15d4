import { setImmediate } from "node:timers/promises";

import type { Logger } from "pino";

import type { Caller } from "./access/caller.ts";
import { sweepSessions } from "./access/console-queries.ts";
import { endedCallers } from "./access/ended-callers.ts";
import { firstAdminFile } from "./access/first-admin-file.ts";
import { ensureFirstAdmin } from "./access/first-admin.ts";
import { createOperatorCheck } from "./access/operator-check.ts";
import { readSessionKeys } from "./access/session-key-file.ts";
import { openSessionKeyring } from "./access/session-keyring.ts";
import { findSessionSalt } from "./access/session-salt-queries.ts";
import { createUseNotes } from "./access/use-notes.ts";
import { createCallLimits } from "./call-limits.ts";
import { startCertificateRenewal } from "./certificate-renewal.ts";
import { commitReports } from "./checkin/report-queries.ts";
import { createReportWriter } from "./checkin/report-writer.ts";
import { trustedProxies } from "./client-address.ts";
import type { Config } from "./config.ts";
import { ping } from "./db/answers.ts";
import { connect } from "./db/connect.ts";
import { HEAD_NOTIFICATION } from "./db/database.ts";
import { migrate } from "./db/migrate.ts";
import { ensureEventPartitions } from "./db/partitions.ts";
import { isRowFault, sqlFault } from "./db/sql-fault.ts";
import type { Store } from "./db/store.ts";
import { healthPages, readiness } from "./health.ts";
import { LIMITS, type Limits } from "./limits.ts";
import { listen } from "./listener.ts";
import { databaseUpkeep, startMaintenance } from "./maintenance.ts";
import { metricsPage } from "./metrics-page.ts";
import { fleetMetrics } from "./metrics/fleet-metrics.ts";
import { countFleet } from "./metrics/fleet-queries.ts";
import { addReadings, createMetrics, metricsText } from "./metrics/metrics.ts";
import { requireOnlooker, type Onlooker } from "./onlooker.ts";
import { pages } from "./pages.ts";
import { repeat } from "./repeat.ts";
import { isStream, routes } from "./routes.ts";
import { tellFirstAdmin } from "./start/first-admin-notice.ts";
import { keyRefresh } from "./start/key-refresh.ts";
import { openFeed } from "./start/open-feed.ts";
import { ownUrls, urlOf } from "./start/own-urls.ts";
import { shutDown } from "./start/shutdown.ts";
import { readStartFiles, type StartFiles } from "./start/start-files.ts";
import { after, inTime } from "./start/timers.ts";
import { versionOfProgram } from "./version.ts";

/** A server that takes calls. */
export interface Server {
  /** Where it listens, e.g. `http://127.0.0.1:8080`. */
  readonly url: string;
  /** Looks at once whether files that are read again and again have changed. */
  reload(): void;
  /**
   * Ends it: not ready, no more connections, calls under way finish, what they
   * brought is durable, the database is closed. Nothing that was acknowledged
   * is lost. Some 30 s at most.
   */
  close(): Promise<void>;
}

/** What of the world around it a server can be given another of. */
export interface Surroundings {
  /** Opens the database that the configuration names. */
  readonly connect: (config: Config, log: Logger) => Promise<Store>;
  /** Milliseconds since 1970 UTC. */
  readonly nowMs: () => number;
  readonly limits: Limits;
}

const SURROUNDINGS: Surroundings = { connect, nowMs: () => Date.now(), limits: LIMITS };

/**
 * Opens the database, migrates it and listens.
 *
 * @throws {StartRefused} for files that are wrong, {SchemaTooNew}, {DataDirInUse}.
 */
export async function startServer(
  config: Config,
  log: Logger,
  surroundings: Partial<Surroundings> = {},
): Promise<Server> {
  const { connect: open, nowMs, limits } = { ...SURROUNDINGS, ...surroundings };
  const files = readStartFiles(config);
  const store = await open(config, log);
  try {
    return await serve(config, { files, store, log, nowMs, limits });
  } catch (cause) {
    await store.close();
    throw cause;
  }
}

async function serve(
  config: Config,
  opened: {
    readonly files: StartFiles;
    readonly store: Store;
    readonly log: Logger;
    readonly nowMs: () => number;
    readonly limits: Limits;
  },
): Promise<Server> {
  const { store, log, nowMs, limits } = opened;
  const { secrets, sessionKeys, tls } = opened.files;
  const migrations = await migrate(store.db);
  try {
    await ensureEventPartitions(store.db);
  } catch (err) {
    // Events have a place without, and the upkeep tries again: no reason to be away.
    if (sqlFault(err)?.kind !== "conflict") throw err;
    log.warn({ err }, "months of the event history are not made yet: somebody holds the tables");
  }
  log.info({ database: store.kind, durable: store.durable, migrations }, "database ready");

  const adminFile = firstAdminFile(config.dataDir);
  if (config.services.includes("access")) {
    tellFirstAdmin(
      await ensureFirstAdmin({
        db: store.db,
        file: adminFile,
        hasAdminFile: secrets.adminToken !== undefined,
        isOnlyServer: store.kind === "embedded",
        nowMs: nowMs(),
      }),
      log,
    );
  }

  const monotonicMs = () => performance.now();
  const metrics = createMetrics(monotonicMs);
  const reports = createReportWriter({
    commit: (rows) =>
      metrics.batch(rows.length, () => inTime(commitReports(store.db, rows, config.enrolment))),
    isRowFault,
    ...LIMITS,
  });
  const useNotes = createUseNotes((err) => log.warn({ err }, "a token's use was not noted"));
  const keyring = await openSessionKeyring(
    sessionKeys,
    () => readSessionKeys(config.sessionKeyFile),
    () => findSessionSalt(store.db),
  );
  const random = () => Math.random();
  const checkInIntervalMs = config.checkInIntervalS * 1000;
  const findEnded = <Asked extends Caller>(callers: readonly Asked[]) =>
    inTime(endedCallers(store.db, callers, nowMs()));
  const feed = openFeed({
    db: store.db,
    log,
    limits,
    checkInIntervalMs,
    findEnded,
    nowMs,
    monotonicMs,
    random,
  });
  // What runs by itself would keep the process of a server that could not listen.
  await using untilItListens = new AsyncDisposableStack();
  untilItListens.defer(() => feed.stop());
  await feed.start();
  // A stream that a stolen key opened would else outlive it by the stream's life.
  const refreshKeys = keyRefresh(keyring, () => feed.endDevices(), log);
  const refreshing = repeat(refreshKeys, limits.refreshKeysMs);
  untilItListens.defer(() => refreshing.stop());
  const stopListening = await store.listen(HEAD_NOTIFICATION, () => feed.hint());
  const shutdown = new AbortController();
  const publicUrls = new Set(config.publicUrls);
  const callLimits = createCallLimits(limits, random, (limit) =>
    log.warn({ limit }, "callers are told to wait"),
  );
  const operators = createOperatorCheck({
    db: store.db,
    files: secrets,
    useNotes,
    limits: callLimits,
  });
  const mayLook = (onlooker: Onlooker) =>
    requireOnlooker(onlooker, {
      mayBeProxied: config.publicUrls.length > 0 || config.trustedProxies.length > 0,
      operatorOf: (bearer) =>
        operators.byToken(bearer, { nowMs: nowMs(), address: onlooker.address }),
    });
  const answers = readiness(async () => {
    await ping(store.db);
    return true;
  });
  const isReady = async () => !shutdown.signal.aborted && (await answers());
  const fleet = fleetMetrics({
    count: () => inTime(countFleet(store.db, LIMITS.measuredChannels), LIMITS.fleetNumbersWaitMs),
    keptMs: LIMITS.fleetNumbersMs,
    monotonicMs,
    onFailure: (error) => log.warn({ err: error }, "metrics are without the fleet's numbers"),
  });
  const place = { ...config.listen, tls };
  const listener = await listen(place, {
    isStream,
    handler: routes({
      deps: {
        db: store.db,
        log,
        reports,
        feed,
        publicUrls,
        operators,
        dropFirstAdminFile() {
          try {
            adminFile.remove();
          } catch (err) {
            log.warn({ err }, "the file of the used first admin token could not be removed");
          }
        },
        get sessionKeys() {
          return keyring.keys;
        },
        nowMs,
        random,
        nextTurn: () => setImmediate(),
        enrolment: {
          mode: config.enrolment,
          perHour: config.openEnrolmentsPerHour,
          most: config.openEnrolments,
        },
        checkInIntervalMs,
        heartbeatMs: limits.heartbeatMs,
        version: versionOfProgram(),
      },
      limits: callLimits,
      trustedProxies: trustedProxies(config.trustedProxies),
      parts: config.services,
      bounds: limits,
      shutdown: shutdown.signal,
      monotonicMs,
      recheck: { findEnded, afterMs: limits.recheckAfterMs },
      measure: metrics.callEnded,
      isReady,
      requireOnlooker: mayLook,
      after,
      fallback: pages(
        {
          "/metrics": metricsPage({
            require: mayLook,
            text: async () => {
              const [own, ofFleet] = await Promise.all([
                metricsText(metrics.registry),
                fleet.text(),
              ]);
              return `${own}\n${ofFleet}`;
            },
          }),
        },
        healthPages(isReady),
      ),
    }),
  });
  untilItListens.move();
  const scheme = tls === undefined ? "http" : "https";
  const listening = { scheme, host: config.listen.host, port: listener.port } as const;
  const url = urlOf(listening);
  if (publicUrls.size === 0) for (const own of ownUrls(listening)) publicUrls.add(own);
  const renewal =
    tls &&
    startCertificateRenewal({
      shown: tls,
      use: listener.useCertificate,
      log,
      everyMs: LIMITS.certificateMs,
      nowMs,
    });
  addReadings(metrics.registry, {
    queuedReports: () => reports.queued,
    feed: () => feed.counts,
    pool: store.pool,
    certificateEnds: renewal && (() => renewal.shown.notAfter),
  });
  const maintenance = startMaintenance(
    [...databaseUpkeep(store, config.retentionDays, log), () => sweepSessions(store.db, nowMs())],
    log,
    LIMITS.maintainEveryMs,
  );
  log.info({ url, publicUrls: [...publicUrls], services: config.services }, "listening");

  return {
    url,
    reload() {
      renewal?.look();
      void refreshing.now();
    },
    async close() {
      renewal?.stop();
      await shutDown({
        shutdown,
        closeListener: listener.close,
        settle: () =>
          Promise.all([
            reports.drain(),
            useNotes.drain(),
            maintenance.stop(),
            refreshing.stop(),
            feed.stop(),
            stopListening(),
          ]),
        closeStore: () => store.close(),
        log,
      });
    },
  };
}
