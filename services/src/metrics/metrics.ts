import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";

/** A call that ended, however it did. */
export interface EndedCall {
  /** `<service>/<method>` of the contract: as many as it has, whoever calls. */
  readonly rpc: string;
  /** `ok`, or Connect's name of the code. */
  readonly code: string;
  readonly ms: number;
  /** Whether it was to go on until one side ends it: its time is no latency. */
  readonly stream: boolean;
}

/** What this process measures of itself. */
export interface Metrics {
  readonly registry: Registry;
  callEnded(call: EndedCall): void;
  /** Measures a batch of reports on its way to the database. */
  batch<T>(reports: number, commit: () => Promise<T>): Promise<T>;
}

const LATENCY_BUCKETS_S = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** Of the process itself; one for all servers in it, since it cannot be undone. */
const PROCESS = new Registry();

export function createMetrics(monotonicMs: () => number): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const calls = new Histogram({
    name: "nix_ota_call_seconds",
    help: "Unary calls by their code: how many, and from the end of the headers to the answer.",
    labelNames: ["rpc", "code"],
    buckets: LATENCY_BUCKETS_S,
    registers,
  });
  const streams = new Counter({
    name: "nix_ota_streams_ended_total",
    help: "Streams that ended, by the code that they ended with.",
    labelNames: ["rpc", "code"],
    registers,
  });
  const batchReports = new Histogram({
    name: "nix_ota_report_batch_reports",
    help: "Reports that were made durable by one commit.",
    buckets: [1, 2, 5, 10, 20, 50, 100, 200, 500],
    registers,
  });
  const batchSeconds = new Histogram({
    name: "nix_ota_report_batch_seconds",
    help: "How long the commit of a batch of reports took, or took to fail.",
    labelNames: ["outcome"],
    buckets: LATENCY_BUCKETS_S,
    registers,
  });
  return {
    registry,
    callEnded({ rpc, code, ms, stream }) {
      if (stream) streams.inc({ rpc, code });
      else calls.observe({ rpc, code }, ms / 1000);
    },
    async batch(reports, commit) {
      const began = monotonicMs();
      let outcome = "failed";
      try {
        const result = await commit();
        outcome = "committed";
        batchReports.observe(reports);
        return result;
      } finally {
        batchSeconds.observe({ outcome }, (monotonicMs() - began) / 1000);
      }
    },
  };
}

/** Numbers of this process that are looked up when somebody asks. */
export interface Readings {
  readonly queuedReports: () => number;
  readonly feed: () => {
    readonly devices: number;
    readonly streams: number;
    readonly pushes: number;
    readonly resynchronisations: number;
    readonly waiting: number;
    readonly lastCatchUpMs: number | undefined;
  };
  /** Undefined: the database has no pool. */
  readonly pool:
    | (() => { readonly size: number; readonly inUse: number; readonly waiting: number })
    | undefined;
  /** When the certificate ends; undefined: without TLS. */
  readonly certificateEnds: (() => Date) | undefined;
}

/** Adds gauges for the readings. */
export function addReadings(registry: Registry, readings: Readings): void {
  const registers: Registry[] = [];
  const gauge = (name: string, help: string, read: () => number | undefined) => {
    const collect = function (this: Gauge) {
      const value = read();
      if (value !== undefined) this.set(value);
    };
    registry.registerMetric(new Gauge({ name, help, registers, collect }));
  };
  const counter = (name: string, help: string, read: () => number) => {
    const collect = function (this: Counter) {
      this.reset();
      this.inc(read());
    };
    registry.registerMetric(new Counter({ name, help, registers, collect }));
  };
  const { feed, pool, certificateEnds } = readings;
  gauge("nix_ota_report_queue_reports", "Reports that wait to be written.", readings.queuedReports);
  gauge("nix_ota_connected_devices", "Devices that listen to this process.", () => feed().devices);
  gauge("nix_ota_open_streams", "Streams of devices and operators.", () => feed().streams);
  gauge("nix_ota_push_waiting_streams", "Streams to be decided about.", () => feed().waiting);
  gauge(
    "nix_ota_publish_to_offer_seconds",
    "From the news of the last change of a channel to the last connected device that was told.",
    () => seconds(feed().lastCatchUpMs),
  );
  counter(
    "nix_ota_pushes_total",
    "Directives that streams were given by themselves.",
    () => feed().pushes,
  );
  counter(
    "nix_ota_resynchronisations_total",
    "Pushes that replaced one which its reader had not read.",
    () => feed().resynchronisations,
  );
  if (pool !== undefined) {
    gauge("nix_ota_database_connections", "Most connections of the pool.", () => pool().size);
    gauge("nix_ota_database_connections_used", "Those in use.", () => pool().inUse);
    gauge("nix_ota_database_waiting", "Callers that wait for a connection.", () => pool().waiting);
  }
  if (certificateEnds !== undefined) {
    gauge("nix_ota_tls_certificate_end_seconds", "When it ends, seconds since 1970.", () =>
      seconds(certificateEnds().getTime()),
    );
  }
}

function seconds(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : ms / 1000;
}

/** The text that Prometheus reads: the process, the server, its fleet. */
export async function metricsText(...registries: readonly Registry[]): Promise<string> {
  if (PROCESS.getMetricsAsArray().length === 0) collectDefaultMetrics({ register: PROCESS });
  const parts = await Promise.all([PROCESS, ...registries].map((one) => one.metrics()));
  return parts.join("\n");
}

/** Media type of that text. */
export const METRICS_TYPE = Registry.PROMETHEUS_CONTENT_TYPE;
