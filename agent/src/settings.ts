import * as v from "valibot";

const ms = (standard: number) => v.optional(v.pipe(v.number(), v.minValue(0)), standard);
const count = (standard: number) =>
  v.optional(v.pipe(v.number(), v.integer(), v.minValue(0)), standard);
const text = (standard: string) => v.optional(v.string(), standard);
const group = <Entries extends v.ObjectEntries>(entries: Entries) =>
  v.optional(v.strictObject(entries), {} as never);

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const MEBIBYTE = 1024 * 1024;

/**
 * Limits and places, each with its default. Durations are in milliseconds of the monotonic clock
 * unless the name says otherwise. Made for tests and odd machines; nobody else need set any.
 */
export const settingsSchema = v.strictObject({
  /** File with the random id of this boot. */
  bootIdFile: text("/proc/sys/kernel/random/boot_id"),
  /** Prints failed units, one a line, name first. */
  failedUnitsCmd: text("systemctl list-units --state=failed --plain --no-legend --no-pager --full"),
  /** Asks for a reboot and returns. */
  rebootCmd: text("systemctl reboot"),
  clock: group({
    /** Exists while something keeps the wall clock right. */
    synchronizedFile: text("/run/systemd/timesync/synchronized"),
    /** When the configuration was built, seconds since 1970 UTC: no trusted time lies before it. */
    builtAtS: count(0),
  }),
  poll: group({
    /** Bounds of what the server may direct. */
    minMs: ms(5 * SECOND),
    maxMs: ms(24 * HOUR),
    /** When neither device nor server says. */
    defaultMs: ms(5 * MINUTE),
    /** Share by which each wait is lengthened or shortened at random, percent. */
    jitterPercent: ms(10),
    /** After failures: full jitter below these. */
    backoffFirstMs: ms(5 * SECOND),
    backoffMaxMs: ms(30 * MINUTE),
  }),
  /** Between two questions while the server refuses the device and only a person can end that. */
  refused: group({
    /** While it waits for approval. */
    soonMs: ms(MINUTE),
    /** While it is revoked, its id is another's, or enrolment is closed. */
    lateMs: ms(10 * MINUTE),
  }),
  /** Between two returns of the floor's manifest to a server that is behind. */
  giveBack: group({ firstMs: ms(MINUTE), maxMs: ms(6 * HOUR) }),
  /** Longest wait between two tries that `once` sits out; it exits before a longer one and goes on at its next start. */
  once: group({
    waitMs: ms(MINUTE),
    /** How long one that finds everything as it was may do with the least of work. */
    quietMs: ms(HOUR),
  }),
  server: group({
    callMs: ms(15 * SECOND),
    readMaxBytes: count(64 * 1024),
    listingMaxBytes: count(4 * MEBIBYTE + 1024),
  }),
  /** Connections over which the server speaks by itself. */
  link: group({
    /** From opening one to its first word: more means that something keeps answers back. */
    firstWordMs: ms(10 * SECOND),
    /** Between two words: three of the server's heartbeats. */
    silenceMs: ms(45 * SECOND),
    /** Between two PINGs over HTTP/2, and until one is answered. */
    pingMs: ms(25 * SECOND),
    pingTimeoutMs: ms(15 * SECOND),
    /** One that lived so long held, however it ends. */
    settleMs: ms(2 * MINUTE),
    /** Before one is opened again: full jitter below these. */
    reconnectWindowMs: ms(30 * SECOND),
    reconnectMaxMs: ms(5 * MINUTE),
    /** On a lesser transport, until the best is tried again; doubled with each try that fails. */
    climbFirstMs: ms(10 * MINUTE),
    climbMaxMs: ms(6 * HOUR),
    /** Over which a fleet spreads its answer to what the server says. */
    pushSpreadMs: ms(SECOND),
  }),
  nix: group({
    connectTimeoutS: count(15),
    /** nix's own limit for one download, below the agent's for the whole copy. */
    stallTimeoutS: count(60),
    downloadAttempts: count(3),
    commandMs: ms(MINUTE),
    /** For commands that read every byte of a closure. */
    closureMs: ms(15 * MINUTE),
  }),
  preflight: group({
    /** Free space wanted on top of what is missing, percent. */
    marginPercent: ms(10),
    /** Bytes that the file system of the state directory must have free. */
    stateFreeBytes: count(MEBIBYTE),
    /** Where the boot loader keeps kernels; not looked at when it is not there. */
    bootDir: text("/boot"),
  }),
  fetch: group({
    stallMs: ms(2 * MINUTE),
    minBytesPerS: count(1024),
    rateWindowMs: ms(5 * MINUTE),
    totalMs: ms(6 * HOUR),
    budgetPercent: ms(110),
    budgetSlackBytes: count(64 * MEBIBYTE),
    sampleMs: ms(SECOND),
    /** Between copies of one attempt: full jitter below these. */
    retryFirstMs: ms(MINUTE),
    retryMaxMs: ms(HOUR),
  }),
  staged: group({
    /** How old the server's last offer may be when it does not answer at the moment of going on. */
    confirmedWithinMs: ms(HOUR),
    /** How long ago the contents of the closure may have been read when it goes on. */
    inspectedWithinMs: ms(HOUR),
    /** Between two looks whether inhibitors are gone. */
    inhibitorsMs: ms(5 * SECOND),
    /** Longest time between two looks at anything else that holds on the device itself. */
    holdsMs: ms(MINUTE),
  }),
  inhibit: group({
    /** Longest time for which a person can put updates off. */
    postponeMaxMs: ms(7 * 24 * HOUR),
    /** How long a command waits for an update under way. */
    waitMs: ms(30 * MINUTE),
    /** How often it looks. */
    lookMs: ms(SECOND),
  }),
  activation: group({
    limitMs: ms(15 * MINUTE),
    /** Of that, until switch-to-configuration begins: what comes before is small, on a slow disk as well. */
    beginMs: ms(3 * MINUTE),
    /** From SIGTERM to SIGKILL. */
    graceMs: ms(10 * SECOND),
    /** How often the result is looked for. */
    watchMs: ms(100),
    busyTries: count(10),
    busyWaitMs: ms(30 * SECOND),
  }),
  deadMan: group({
    /** On top of all that an attempt may take until its closure is proven. */
    marginMs: ms(2 * MINUTE),
    /** From asking an agent that hangs to end, to ending it. */
    graceMs: ms(10 * SECOND),
    /** Until one that failed, or was ended half way, is tried again. */
    retryMs: ms(30 * SECOND),
  }),
  probation: group({
    limitMs: ms(5 * MINUTE),
    runMs: ms(MINUTE),
    passes: count(2),
    passIntervalMs: ms(10 * SECOND),
    /** The server's silence counts against the closure when it answered so shortly before. */
    contactWithinMs: ms(10 * MINUTE),
  }),
  selfTest: group({
    /** For the whole test of a closure's agent. */
    limitMs: ms(MINUTE),
    /** Of it for the server, which the agent that is tested keeps. */
    serverMs: ms(20 * SECOND),
  }),
  rollback: group({
    retryMs: ms(10 * SECOND),
    /** How long the previous system tries to reach the server after contact was lost. */
    contactMs: ms(MINUTE),
    /** The same after a reboot: a modem takes its time. */
    contactAfterBootMs: ms(5 * MINUTE),
  }),
  /** What a state's work may take, where nothing in it has a limit of its own. */
  limits: group({
    acceptedMs: ms(MINUTE),
    /** Reads every byte of a closure, perhaps twice, which `nix.closureMs` limits each time. */
    stagedMs: ms(HOUR),
    armedMs: ms(MINUTE),
    committingMs: ms(10 * MINUTE),
  }),
  boot: group({
    /** For one question to the boot loader, or one request to reboot. */
    limitMs: ms(MINUTE),
  }),
  /** Between attempts at one revision: full jitter below these. */
  attempts: group({ retryFirstMs: ms(MINUTE), retryMaxMs: ms(HOUR) }),
});

export type Settings = v.InferOutput<typeof settingsSchema>;
