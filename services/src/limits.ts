/**
 * Every bound on what a stranger can make the server hold or wait for. Times in
 * milliseconds, sizes in bytes.
 */
export const LIMITS = {
  /** Device calls and reads. Holds for the body as sent and as decompressed. */
  callBodyBytes: 64 * 1024,
  /** Publish and PutListing: 4 MiB of content and what encodes it (base64 in JSON). */
  publishBodyBytes: 6 * 1024 * 1024,
  /** Answers, e.g. a release with 256 envelopes or a listing. */
  answerBytes: 16 * 1024 * 1024,
  /** Request headers together. */
  headerBytes: 16 * 1024,
  /** Request headers by number. */
  headerCount: 100,
  /** From the connection to the end of the TLS handshake, and from there to the first bytes that tell the protocol. */
  firstBytesMs: 10_000,
  /** From the first byte to the end of the headers. */
  headersMs: 10_000,
  /** From the first byte to the end of the body: the largest one at 1 Mbit/s. */
  requestMs: 60_000,
  /**
   * From the headers to the end of the answer: whoever reads the largest one at
   * less than 1 Mbit/s would bind its memory for as long as they like.
   */
  answerMs: 150_000,
  /** An idle connection; above the 60 s of usual load balancers, which else reuse a closed one. */
  idleMs: 65_000,
  /** How often the three above are looked at. */
  checkEveryMs: 5_000,
  /** Calls over one HTTP/1.1 connection, so that a balancer can spread anew. */
  callsPerConnection: 1_000,
  /** Open connections. */
  connections: 20_000,
  /** Open calls of one HTTP/2 connection. */
  streamsPerConnection: 100,
  /** Memory that one HTTP/2 connection may bind, megabytes. */
  sessionMemoryMb: 10,
  /** Longest time-out that a caller may ask for. */
  callTimeoutMs: 60_000,
  /** The same for streams, which end before it by themselves. */
  streamTimeoutMs: 24 * 3_600_000,
  /** Longest life of a stream; it ends between half of it and all of it. */
  streamLifeMs: 20 * 60_000,
  /** Longest silence of the server on a stream. */
  heartbeatMs: 15_000,
  /** A stream whose reader takes nothing of what waits for it. */
  stalledMs: 30_000,
  /** Open streams of devices and operators; some 100 KiB each. */
  openStreams: 10_000,
  /** Those of one device: one that is used, and those whose end is not known yet. */
  streamsPerDevice: 3,
  /** Reports of one stream that are not acknowledged, or whose acknowledgement is not read. */
  reportsPerStream: 2,
  /** Versions of channels are read at least so often: what a lost notification costs. */
  rereadMs: 15_000,
  /** Connected devices that are decided about by one query. */
  batchDevices: 500,
  /** Reports that wait for a place in a batch. */
  queuedReports: 5_000,
  /** Reports of one device among them. */
  queuedReportsPerDevice: 4,
  /** Reports of one batch. */
  batchReports: 500,
  batchBytes: 4 * 1024 * 1024,
  queuedBytes: 64 * 1024 * 1024,
  /** What is told to wait to a device that finds the queue full. */
  overloadRetryMs: 2_000,
  /**
   * Connections without a call, at shutdown: a client that is about to send on
   * one is then told to come back instead of being cut.
   */
  shutdownIdleMs: 1_000,
  /** Unary calls at shutdown. */
  shutdownCallsMs: 20_000,
  /**
   * A batch of reports: above the 15 s after which PostgreSQL ends a statement,
   * for a database that does not even say so, e.g. behind a cut network.
   */
  commitMs: 20_000,
  /** What is left to write at shutdown. Nobody waits for an answer to it any more. */
  shutdownWritesMs: 5_000,
  /** How often the files of the TLS certificate are looked at. */
  certificateMs: 60_000,
  /** Between two looks of a watch of gRPC's health service. */
  healthLookMs: 2_000,
  /** Such watches at one time; anybody may open one. */
  healthWatches: 100,
  /** How long the fleet's numbers are kept that metrics tell. */
  fleetNumbersMs: 15_000,
  /** How long the other metrics wait for them: below the 10 s in which Prometheus gives up. */
  fleetNumbersWaitMs: 5_000,
  /** Channels that metrics tell of, the first by name: every one is some more series. */
  measuredChannels: 100,
  /**
   * Before authentication, of one address (of IPv6: a network of 64 bits):
   * challenges, enrolments and authentications. A device needs two an hour, so
   * that 200 000 devices behind one address stay below it in the steady state
   * and 600 can come at once.
   */
  proofsPerAddress: 1_200,
  /** Of all addresses together: half of them verify a signature, some 2 ms, a quarter of a core. */
  proofsPerServer: 2_400,
  proofWindowS: 10,
  /** Credentials of operators that failed, of one address: a person mistypes some; guessing is hopeless anyway. */
  failuresPerAddress: 20,
  failureWindowS: 60,
  /**
   * After authentication, of one device, however many share its address. An
   * update takes some 30 calls, most of them as fast as states change; a device
   * that needs ten times as many in ten seconds is broken or hostile.
   */
  callsPerDevice: 300,
  /** Of one operator token or console session: a script over a fleet, or several publishers at once. */
  callsPerToken: 600,
  callWindowS: 10,
  /** Counters of each of these limits, some 200 bytes each: callers share them by a secret hash. */
  limitSlots: 65_536,
  /** Session key file and salt are read again: a session of a key that is gone ends within 15 s. */
  refreshKeysMs: 10_000,
  /** A call that took so long to come has its caller looked at once more. */
  recheckAfterMs: 5_000,
  /** Housekeeping of the database. */
  maintainEveryMs: 5 * 60_000,
} as const;

/** The same with other numbers, for tests. */
export type Limits = Readonly<Record<keyof typeof LIMITS, number>>;
