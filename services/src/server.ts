import { setImmediate } from "node:timers/promises";

import { normalizeServerUrl } from "@nix-ota/proto/auth-statement";
import type { Logger } from "pino";

import type { Caller } from "./access/caller.ts";
import { sweepSessions } from "./access/console-queries.ts";
import { endedCallers } from "./access/ended-callers.ts";
import { firstAdminFile } from "./access/first-admin-file.ts";
import { ensureFirstAdmin, type FirstAdmin } from "./access/first-admin.ts";
import { createOperatorCheck, type FileSecrets } from "./access/operator-check.ts";
import { readSecretFile } from "./access/secret-file.ts";
import { ensureSessionKeys, readSessionKeys, type SessionKeys } from "./access/session-key-file.ts";
import { openSessionKeyring, type SessionKeyring } from "./access/session-keyring.ts";
import { findSessionSalt } from "./access/session-salt-queries.ts";
import { createUseNotes } from "./access/use-notes.ts";
import { createCallLimits } from "./call-limits.ts";
import { startCertificateRenewal } from "./certificate-renewal.ts";
import { directiveMessage } from "./checkin/directive.ts";
import { commitReports } from "./checkin/report-queries.ts";
import { createReportWriter } from "./checkin/report-writer.ts";
import { trustedProxies } from "./client-address.ts";
import { tlsFilesOf } from "./config-files.ts";
import type { Config } from "./config.ts";
import { ping } from "./db/answers.ts";
import { connect } from "./db/connect.ts";
import { HEAD_NOTIFICATION } from "./db/database.ts";
import { migrate } from "./db/migrate.ts";
import { ensureEventPartitions } from "./db/partitions.ts";
import { isRowFault } from "./db/sql-fault.ts";
import type { Store } from "./db/store.ts";
import { answerTo } from "./errors.ts";
import { Feed } from "./feed/feed.ts";
import { findFeedFacts, findVersions } from "./feed/queries.ts";
import { healthPages, readiness } from "./health.ts";
import { LIMITS, type Limits } from "./limits.ts";
import { listen } from "./listener.ts";
import { databaseUpkeep, startMaintenance } from "./maintenance.ts";
import { metricsPage } from "./metrics-page.ts";
import { fleetMetrics } from "./metrics/fleet-metrics.ts";
import { countFleet } from "./metrics/fleet-queries.ts";
import { addReadings, createMetrics, metricsText } from "./metrics/metrics.ts";
import { requireOnlooker, type Onlooker } from "./onlooker.ts";
import { OtaError } from "./ota-error.ts";
import { pages } from "./pages.ts";
import { repeat } from "./repeat.ts";
import { isStream, routes } from "./routes.ts";
import { readTlsIdentity, type TlsIdentity } from "./tls-identity.ts";
import { versionOfProgram } from "./version.ts";
import { LATE, within } from "./within.ts";

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

/** A file that the server needs is missing or wrong; the sentence names the remedy. */
export class StartRefused extends Error {
  override readonly name = "StartRefused";
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
  const credentials = readCredentials(config);
  const tls = readTls(config);
  const store = await open(config, log);
  try {
    return await serve(config, { credentials, tls, store, log, nowMs, limits });
  } catch (cause) {
    await store.close();
    throw cause;
  }
}

async function serve(
  config: Config,
  opened: {
    readonly credentials: Credentials;
    readonly tls: TlsIdentity | undefined;
    readonly store: Store;
    readonly log: Logger;
    readonly nowMs: () => number;
    readonly limits: Limits;
  },
): Promise<Server> {
  const { credentials, tls, store, log, nowMs, limits } = opened;
  const migrations = await migrate(store.db);
  await ensureEventPartitions(store.db);
  log.info({ database: store.kind, durable: store.durable, migrations }, "database ready");

  const adminFile = firstAdminFile(config.dataDir);
  if (config.services.includes("access")) {
    tellFirstAdmin(
      await ensureFirstAdmin({
        db: store.db,
        file: adminFile,
        hasAdminFile: credentials.files.adminToken !== undefined,
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
    credentials.sessionKeys,
    () => readSessionKeys(config.sessionKeyFile),
    () => findSessionSalt(store.db),
  );
  const random = () => Math.random();
  const checkInIntervalMs = config.checkInIntervalS * 1000;
  const findEnded = <Asked extends Caller>(callers: readonly Asked[]) =>
    inTime(endedCallers(store.db, callers, nowMs()));
  const feed = new Feed({
    ...limits,
    readVersions: () => inTime(findVersions(store.db)),
    findFacts: (deviceIds) => inTime(findFeedFacts(store.db, deviceIds)),
    directive: ({ device, head, sequence }) =>
      directiveMessage({
        device,
        head,
        acknowledgedSequence: sequence,
        acknowledgedEventIds: [],
        checkInIntervalMs,
        nowMs: nowMs(),
        random: random(),
      }),
    findEnded,
    onFailure: (error) => log.warn({ err: error }, "connected devices hear of changes later"),
    nowMs,
    monotonicMs,
    random,
    after,
  });
  // What runs by itself would keep the process of a server that could not listen.
  await using untilItListens = new AsyncDisposableStack();
  untilItListens.defer(() => feed.stop());
  await feed.start();
  const refreshing = repeat(() => refreshKeys(keyring, feed, log), limits.refreshKeysMs);
  untilItListens.defer(() => refreshing.stop());
  const stopListening = await store.listen(HEAD_NOTIFICATION, () => feed.hint());
  const shutdown = new AbortController();
  const publicUrls = new Set(config.publicUrls);
  const callLimits = createCallLimits(limits, random, (limit) =>
    log.warn({ limit }, "callers are told to wait"),
  );
  const operators = createOperatorCheck({
    db: store.db,
    files: credentials.files,
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
  const url = `${scheme}://${hostForUrl(config.listen.host)}:${listener.port}`;
  if (publicUrls.size === 0) {
    for (const own of ownUrls(scheme, config.listen.host, listener.port)) publicUrls.add(own);
  }
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
      // From here on /readyz is 503 and calls that wait are answered.
      shutdown.abort(
        answerTo(new OtaError("SHUTTING_DOWN", "the server is ending; try again")).error,
      );
      const allEnded = await listener.close(LIMITS.shutdownCallsMs);
      if (!allEnded) log.warn("some calls did not end in time and were cut");
      const written = Promise.all([
        reports.drain(),
        useNotes.drain(),
        maintenance.stop(),
        refreshing.stop(),
        feed.stop(),
        stopListening(),
      ]);
      if ((await within(written, LIMITS.shutdownWritesMs)) === LATE) {
        log.warn("the database did not answer; what it was last given was acknowledged to nobody");
      }
      await store.close();
      log.info("ended");
    },
  };
}

/** A database that takes too long is given up: a report comes again, and counts once. */
async function inTime<T extends object>(
  work: Promise<T>,
  limitMs: number = LIMITS.commitMs,
): Promise<T> {
  const outcome = await within(work, limitMs);
  if (outcome !== LATE) return outcome;
  throw new OtaError("DATABASE_UNAVAILABLE", `no answer within ${limitMs} ms`);
}

function after(delayMs: number, run: () => void): () => void {
  const timer = setTimeout(run, delayMs);
  return () => clearTimeout(timer);
}

/** Keys that cannot be read anew leave those of before, so that no device is turned away. */
async function refreshKeys(keyring: SessionKeyring, feed: Feed, log: Logger): Promise<void> {
  try {
    const refreshed = await keyring.refresh();
    const { kind, ...detail } = refreshed;
    if (kind === "changed") log.info(detail, "session keys changed");
    // A stream that a stolen key opened would else outlive it by the stream's life.
    if (refreshed.kind === "changed" && refreshed.isKeyGone) feed.endDevices();
    if (kind === "unreadable") log.error(detail, "the session keys stay as they were");
  } catch (err) {
    log.warn({ err }, "the session keys could not be read again");
  }
}

/** Where the token lies is told; the token never is. */
function tellFirstAdmin(first: FirstAdmin, log: Logger): void {
  switch (first.kind) {
    case "not-needed":
      return;
    case "in-file":
      log.warn(
        { file: first.file },
        "there is no admin: make an admin token with the one-time token in the file, which ends by that",
      );
      return;
    case "elsewhere":
      log.warn(
        "there is no admin: the one-time token lies in the data directory of the server that started first; where that is lost, start with --admin-token-file",
      );
  }
}

/** What files hold; the database has the rest. */
interface Credentials {
  readonly files: FileSecrets;
  readonly sessionKeys: SessionKeys;
}

function readCredentials(config: Config): Credentials {
  const problems: string[] = [];
  const good = <Value extends object>(read: Value | string): Value | undefined => {
    if (typeof read !== "string") return read;
    problems.push(read);
    return undefined;
  };
  const secret = (file: string | undefined, what: "publish token" | "admin token") =>
    file === undefined ? undefined : good(readSecretFile(file, what));
  const sessionKeys = good(ensureSessionKeys(config.sessionKeyFile));
  const publishToken = secret(config.publishTokenFile, "publish token");
  const adminToken = secret(config.adminTokenFile, "admin token");
  if (sessionKeys === undefined || problems.length > 0) {
    throw new StartRefused(problems.join("\n"));
  }
  return { files: { publishToken, adminToken }, sessionKeys };
}

function readTls(config: Config): TlsIdentity | undefined {
  const files = tlsFilesOf(config);
  const identity = files === undefined ? undefined : readTlsIdentity(files);
  if (typeof identity === "string") throw new StartRefused(identity);
  return identity;
}

/** How devices on this machine may spell where it listens. */
function ownUrls(scheme: string, host: string, port: number): readonly string[] {
  const isLoopback = host === "localhost" || host === "::1" || host.startsWith("127.");
  const hosts = isLoopback ? [hostForUrl(host), "localhost", "127.0.0.1"] : [hostForUrl(host)];
  return hosts.flatMap((name) => normalizeServerUrl(`${scheme}://${name}:${port}`) ?? []);
}

function hostForUrl(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}
