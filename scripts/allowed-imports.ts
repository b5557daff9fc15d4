import type { Reach } from "./source-facts.ts";

/**
 * What the files of one place may depend on. `files` and `imports` are globs from the root of the
 * repository. A package stands for itself and its sub-paths; `node:*` and `@scope/*` stand for all
 * that begins so. `reaches` are the restricted globals: none when it is absent.
 */
export type Row = {
  files: string;
  imports: readonly string[];
  packages: readonly string[];
  reaches?: readonly Reach[];
};

const PROTO = "proto/{src,gen}/**";
const TESTS = "{*.test.ts,*.testkit.ts}";
const BUF = "@bufbuild/protobuf";
const CONNECT = "@connectrpc/connect";
const COMMANDER = "@commander-js/extra-typings";
const ANY: readonly Reach[] = ["environment", "clock", "processes"];

const FEATURES = "services/src/{publish,channel,checkin,access,feed}";
const HANDLERS = ["service", "*-calls"];
/** What carries a rule out over the database, for handlers. */
const CARRIERS = [
  "publish-call",
  "enrol-call",
  "take-report",
  "operator-check",
  "ended-callers",
  "first-admin",
];
/** What a feature's rules may not know: its handlers, its SQL, and what carries a rule out. */
const NO_RULES = [...HANDLERS, "*queries", ...CARRIERS, "device-condition"];
/** SQL that several queries share. */
const SQL_PARTS = "services/src/checkin/device-condition.ts";
/** Files with secrets in them, and what is made with those. */
const SECRETS =
  "services/src/access/{challenge,console-session,first-admin-file,secret,secret-file,secret-token,session-key-file,session-keyring,session-token}.ts";
const WORDS = "services/src/{enrolment-mode,ota-error,standing}.ts";
const DATABASE = "services/src/db/database.ts";

/** What commands do, a folder for each kind of thing that they are about. */
const CLI_FEATURES =
  "cli/src/{access,bundle,channel,completion,context,device,doctor,envelope,publish,release,release-file,rollback,rollout,signing,targets,wait}";

/** What the agent needs of the world. */
const PORTS = "agent/src/ports/*.ts";

const DEVICE_ADAPTERS = [
  "agent-lock",
  "exposed-secrets",
  "machine-clock",
  "machine-host",
  "machine-log",
  "other-agents",
  "read-config",
  "system-links",
];

/** Who may import whom. The first row whose `files` match a path decides about it. */
export const allowedImports: readonly Row[] = [
  // Tests use what they like of their own package, and the contract.
  { files: `proto/**/${TESTS}`, imports: ["proto/**"], packages: ["*"], reaches: ANY },
  { files: `services/**/${TESTS}`, imports: ["services/**", PROTO], packages: ["*"], reaches: ANY },
  { files: `agent/**/${TESTS}`, imports: ["agent/**", PROTO], packages: ["*"], reaches: ANY },
  { files: `cli/**/${TESTS}`, imports: ["cli/**", PROTO], packages: ["*"], reaches: ANY },

  // The contract: the same rules in a browser, on a device and in the server.
  { files: "proto/gen/**", imports: ["proto/gen/**"], packages: ["@bufbuild/*"] },
  { files: "proto/src/reason.ts", imports: [PROTO], packages: [BUF, CONNECT] },
  { files: "proto/src/*.ts", imports: [PROTO], packages: [BUF, "@noble/*"] },

  // The server, outside in: main, server, routes, handlers, queries, rules; the database apart.
  {
    files: "services/src/main.ts",
    imports: [
      "services/src/*.ts",
      "services/src/backup/run-command.ts",
      "services/src/start/start-files.ts",
      "services/src/db/*.ts",
    ],
    packages: ["pino"],
    reaches: ["clock"],
  },
  {
    files: "services/src/config.ts",
    imports: [
      "services/src/{client-address,command-line,commands,option-values,options,parts}.ts",
      PROTO,
    ],
    packages: ["node:*", "zod"],
    reaches: ["environment"],
  },
  {
    files: "services/src/{command-line,option-values,options}.ts",
    imports: ["services/src/{commands,options}.ts", PROTO],
    packages: ["node:*"],
  },
  {
    files: "services/src/config-files.ts",
    imports: ["services/src/{config,exposed-file,tls-identity}.ts", SECRETS, PROTO],
    packages: ["node:*"],
  },
  {
    files: "services/src/backup/*queries.ts",
    imports: [DATABASE, "services/src/db/statement-time.ts"],
    packages: ["kysely"],
  },
  {
    files: "services/src/backup/*.ts",
    imports: [
      "services/src/{commands,fsync-path}.ts",
      "services/src/backup/*.ts",
      "services/src/access/queries.ts",
      "services/src/db/{database,migrate,partitions,restored,store}.ts",
    ],
    packages: ["node:*"],
  },
  { files: "services/src/version.ts", imports: [], packages: ["node:*"] },
  {
    files: "services/src/metrics/*queries.ts",
    imports: [DATABASE, PROTO],
    packages: ["kysely"],
  },
  {
    files: "services/src/metrics/*.ts",
    imports: ["services/src/metrics/*.ts", PROTO],
    packages: ["prom-client"],
  },
  {
    files: "services/src/onlooker.ts",
    imports: ["services/src/access/{caller,scopes}.ts", WORDS],
    packages: [],
  },
  {
    files: "services/src/{health-calls,reflection,reflection-calls,standard-services}.ts",
    imports: [
      "services/src/{call,health-calls,onlooker,ota-error,reflection,reflection-calls}.ts",
      PROTO,
    ],
    packages: [BUF, CONNECT],
  },
  {
    files: "services/src/plain-{calls,paths,words}.ts",
    imports: [
      "services/src/{limits,listener,plain-calls,plain-words}.ts",
      "services/src/publish/verify.ts",
      PROTO,
    ],
    packages: [BUF, CONNECT, "@connectrpc/connect-node", "node:*"],
  },
  {
    files: "services/src/{metrics-page,pages}.ts",
    imports: ["services/src/{errors,listener,onlooker}.ts", "services/src/metrics/*.ts"],
    packages: [CONNECT],
  },
  {
    files: "services/src/{tls-identity,tls-front}.ts",
    imports: ["services/src/tls-identity.ts"],
    packages: ["node:*"],
  },
  {
    files: "services/src/server.ts",
    imports: [
      "services/src/!(main).ts",
      "services/src/{db,metrics,start}/*.ts",
      `${FEATURES}/!(service).ts`,
    ],
    packages: ["node:*", "pino"],
    reaches: ["clock"],
  },
  {
    files: "services/src/start/*.ts",
    imports: [
      "services/src/{config,config-files,errors,limits,ota-error,tls-identity,within}.ts",
      "services/src/start/*.ts",
      DATABASE,
      `${FEATURES}/${no(HANDLERS)}.ts`,
      PROTO,
    ],
    packages: ["kysely", "pino"],
    reaches: ["clock"],
  },
  {
    files: "services/src/routes.ts",
    imports: [
      "services/src/!(main|server).ts",
      "services/src/metrics/metrics.ts",
      `${FEATURES}/service.ts`,
      PROTO,
    ],
    packages: ["@connectrpc/*"],
  },
  {
    files: "services/src/connect-handler.ts",
    imports: ["services/src/listener.ts"],
    packages: ["node:*", "@connectrpc/*", "pino"],
    reaches: ["clock"],
  },
  {
    files: "services/src/{listener,health,maintenance,repeat,certificate-renewal}.ts",
    imports: [
      "services/src/{limits,listener,repeat,tls-front,tls-identity,within}.ts",
      "services/src/db/*.ts",
    ],
    packages: ["node:*", "@connectrpc/connect-node", "pino"],
    reaches: ["clock"],
  },
  {
    files:
      "services/src/{auth,call,call-log,caller-gate,caller-recheck,errors,unreadable-message}.ts",
    imports: [
      "services/src/{auth,call,call-limits,errors,ota-error}.ts",
      "services/src/metrics/metrics.ts",
      `services/src/access/${no([...HANDLERS, "*queries"])}.ts`,
      "services/src/db/sql-fault.ts",
      PROTO,
    ],
    packages: [BUF, CONNECT, "pino"],
  },
  {
    files: "services/src/deps.ts",
    imports: [
      DATABASE,
      SECRETS,
      "services/src/access/operator-check.ts",
      "services/src/checkin/{open-enrolment,report-writer}.ts",
      "services/src/enrolment-mode.ts",
      "services/src/feed/feed.ts",
      PROTO,
    ],
    packages: ["kysely", "pino"],
  },
  { files: "services/src/exposed-file.ts", imports: [PROTO], packages: ["node:*"] },
  { files: "services/src/fsync-path.ts", imports: [], packages: ["node:*"] },
  { files: "services/src/within.ts", imports: [], packages: [], reaches: ["clock"] },
  {
    files: "services/src/durable-file.ts",
    imports: ["services/src/fsync-path.ts"],
    packages: ["node:*"],
  },
  { files: "services/src/client-address.ts", imports: [], packages: ["node:*"] },
  {
    files: "services/src/call-limits.ts",
    imports: [
      "services/src/access/operator-check.ts",
      "services/src/{client-address,limits,ota-error}.ts",
    ],
    packages: ["node:*", "rate-limiter-flexible"],
  },
  { files: "services/src/*.ts", imports: [WORDS, PROTO], packages: [] },
  {
    files: `${FEATURES}/${any(HANDLERS)}.ts`,
    imports: [
      "services/src/{auth,call,cursor,deps,enrolment-mode,ota-error}.ts",
      DATABASE,
      `${FEATURES}/*.ts`,
      PROTO,
    ],
    packages: [BUF, CONNECT],
  },
  {
    files: `{${FEATURES}/*queries.ts,${SQL_PARTS}}`,
    imports: [
      DATABASE,
      SQL_PARTS,
      "services/src/db/{announce,statement-time}.ts",
      WORDS,
      `${FEATURES}/${no([...HANDLERS, ...CARRIERS])}.ts`,
      PROTO,
    ],
    packages: ["kysely"],
  },
  {
    files: `${FEATURES}/${any(CARRIERS)}.ts`,
    imports: ["services/src/deps.ts", DATABASE, WORDS, `${FEATURES}/${no(HANDLERS)}.ts`, PROTO],
    packages: [],
  },
  {
    files: SECRETS,
    imports: [SECRETS, "services/src/durable-file.ts", PROTO],
    packages: ["node:*"],
  },
  {
    files: `${FEATURES}/*.ts`,
    imports: [WORDS, `${FEATURES}/${no(NO_RULES)}.ts`, PROTO],
    packages: [BUF],
  },
  {
    files: "services/src/db/connect.ts",
    imports: ["services/src/config.ts", "services/src/db/*.ts"],
    packages: ["pino"],
  },
  {
    files: "services/src/db/data-dir-lock.ts",
    imports: [],
    packages: ["node:*"],
    reaches: ["clock"],
  },
  {
    files: "services/src/db/connection-pool.ts",
    imports: [WORDS],
    packages: ["kysely"],
    reaches: ["clock"],
  },
  {
    files: "services/src/db/**",
    imports: [WORDS, "services/src/{fsync-path,within}.ts", "services/src/db/**", PROTO],
    packages: ["node:*", "kysely", "postgres", "@electric-sql/pglite"],
  },

  // The device: rules and states at the root, adapters beside them; only the command line joins the two.
  {
    files: "agent/src/main.ts",
    imports: [
      "agent/src/{command-line,lean-engine,machine-log}.ts",
      "agent/src/quiet/poll-quietly.ts",
    ],
    packages: [],
  },
  {
    files: "agent/src/command-line.ts",
    imports: ["agent/src/!(main).ts", "agent/src/*/*.ts", PROTO],
    packages: ["node:*"],
    reaches: ["environment"],
  },
  {
    files: "agent/src/commands/*.ts",
    imports: [
      "agent/src/!(main|command-line|executor).ts",
      "agent/src/{commands,inhibition,ports,state,systemd}/*.ts",
      PROTO,
    ],
    packages: ["node:*"],
    reaches: ["clock"],
  },
  {
    files: "agent/src/adapters.ts",
    imports: ["agent/src/!(main|command-line).ts", "agent/src/*/*.ts", PROTO],
    packages: ["node:*"],
  },
  {
    files: "agent/src/{config,settings}.ts",
    imports: ["agent/src/{agent-error,credentials,settings,window}.ts", PROTO],
    packages: ["valibot"],
  },
  {
    files: "agent/src/{machine-clock,machine-log}.ts",
    imports: ["agent/src/{iso-time,agent-error,log-line}.ts", PORTS],
    packages: ["node:*"],
    reaches: ["clock", "environment"],
  },
  {
    files: "agent/src/read-config.ts",
    imports: ["agent/src/{agent-error,config,credentials}.ts"],
    packages: ["node:*"],
    reaches: ["environment"],
  },
  {
    files: "agent/src/systemd/*.ts",
    imports: [PORTS, "agent/src/{process,systemd}/*.ts"],
    packages: ["node:*"],
    reaches: ["processes", "clock"],
  },
  {
    files: "agent/src/process/*.ts",
    imports: ["agent/src/agent-error.ts", "agent/src/process/*.ts"],
    packages: ["node:*"],
    reaches: ["processes", "clock"],
  },
  {
    files: "agent/src/{agent-lock,beside/*}.ts",
    imports: [
      "agent/src/{agent-error,agent-lock,dead-man,foreign-words}.ts",
      "agent/src/{beside,ports,process}/*.ts",
    ],
    packages: ["node:*"],
    reaches: ["processes"],
  },
  {
    // Loaded instead of the whole agent: nothing that is dear to load.
    files: "agent/src/quiet/{poll-quietly,post-once,quiet-record}.ts",
    imports: ["agent/src/quiet/{post-once,quiet-record}.ts"],
    packages: ["node:*"],
    reaches: ["clock"],
  },
  {
    files: "agent/src/quiet/quiet-polls.ts",
    imports: ["agent/src/config.ts", PORTS, "agent/src/quiet/quiet-record.ts", PROTO],
    packages: ["@bufbuild/protobuf"],
  },
  {
    files: "agent/src/inhibition/*.ts",
    imports: [
      "agent/src/!(main|command-line|adapters).ts",
      "agent/src/{inhibition,ports,process}/*.ts",
    ],
    packages: ["node:*"],
    reaches: ["processes"],
  },
  {
    files: "agent/src/server/{http2-connection,transports}.ts",
    imports: ["agent/src/server/*.ts"],
    packages: ["node:*", "@connectrpc/*"],
    reaches: ["clock"],
  },
  {
    files: "agent/src/server/*.ts",
    imports: ["agent/src/{agent-error,ladder}.ts", "agent/src/{ports,server,state}/*.ts", PROTO],
    packages: [BUF, "@connectrpc/*"],
  },
  {
    files: `agent/src/${any([...DEVICE_ADAPTERS, "boot/*", "nix/*", "state/*"])}.ts`,
    imports: [
      "agent/src/!(main|command-line|adapters).ts",
      "agent/src/{boot,nix,ports,process,state}/*.ts",
      "agent/src/systemd/started-unit.ts",
      PROTO,
    ],
    packages: ["node:*"],
  },
  {
    files: "agent/src/{executor,run-agent}.ts",
    imports: [
      `agent/src/${no(["main", "command-line", "adapters", ...DEVICE_ADAPTERS])}.ts`,
      "agent/src/{ports,steps}/*.ts",
      PROTO,
    ],
    packages: [],
  },
  {
    files: "agent/src/steps/*.ts",
    imports: [
      `agent/src/${no(["main", "command-line", "adapters", "executor", ...DEVICE_ADAPTERS])}.ts`,
      "agent/src/{ports,steps}/*.ts",
      PROTO,
    ],
    packages: [],
  },
  {
    files: "agent/src/{*,ports/*}.ts",
    imports: [
      `agent/src/${no(["main", "command-line", "adapters", "executor", ...DEVICE_ADAPTERS])}.ts`,
      PORTS,
      PROTO,
    ],
    packages: [BUF],
  },

  // The operator: commands and their options, what they do, and the parts that touch something.
  { files: "cli/src/main.ts", imports: ["cli/src/*.ts"], packages: [] },
  {
    files: "cli/src/{program,run-command,common-options,commands/*}.ts",
    imports: ["cli/src/!(main).ts", "cli/src/*/*.ts", PROTO],
    packages: [COMMANDER],
  },
  {
    files: "cli/src/host.ts",
    imports: [],
    packages: ["node:*"],
    reaches: ["environment", "clock"],
  },
  {
    files: "cli/src/nix.ts",
    imports: ["cli/src/cli-error.ts", PROTO],
    packages: ["node:*"],
    reaches: ["processes", "clock"],
  },
  {
    files: "cli/src/{client,server-error}.ts",
    imports: ["cli/src/{cli-error,terminal-text}.ts", PROTO],
    packages: ["@connectrpc/*"],
  },
  {
    files: "cli/src/http-cache.ts",
    imports: ["cli/src/*.ts", PROTO],
    packages: [],
    reaches: ["clock"],
  },
  {
    files: "cli/src/signing/key-command.ts",
    imports: ["cli/src/{cli-error,host}.ts", "cli/src/signing/*.ts", PROTO],
    packages: ["node:*"],
    reaches: ["processes", "clock"],
  },
  { files: "cli/src/ask.ts", imports: ["cli/src/*.ts"], packages: ["@clack/prompts"] },
  {
    files:
      "cli/src/{durable-file,durable-folder,file-cache,keygen,passphrase,private-file,public-key-argument,read-file,toplevel,bundle/folder,envelope/run,context/run,context/chosen-context}.ts",
    imports: [
      "cli/src/!(main|program|run-command).ts",
      "cli/src/{envelope,context,release-file}/*.ts",
      PROTO,
    ],
    packages: ["node:*"],
  },
  {
    files: "cli/src/context/config-*.ts",
    imports: ["cli/src/{cli-error,durable-file,host}.ts", "cli/src/context/*.ts", PROTO],
    packages: ["node:*", "smol-toml"],
  },
  {
    files: "cli/src/completion/{request,run}.ts",
    imports: ["cli/src/host.ts", "cli/src/completion/*.ts"],
    packages: [COMMANDER],
  },
  {
    files: "cli/src/doctor/page.ts",
    imports: [],
    packages: [],
    reaches: ["clock"],
  },
  {
    files: `${CLI_FEATURES}/*.ts`,
    imports: ["cli/src/!(main|program|run-command).ts", `${CLI_FEATURES}/*.ts`, PROTO],
    packages: [BUF],
  },
  {
    files: "cli/src/*.ts",
    imports: ["cli/src/!(main|program|run-command).ts", "cli/src/context/chosen-context.ts", PROTO],
    packages: [BUF, "node:util"],
  },

  // What runs everything: the whole path on real parts, and the tools of this repository.
  {
    files: "e2e/src/**",
    imports: ["e2e/src/**", "{services,agent,cli}/src/**", PROTO],
    packages: ["*"],
    reaches: ANY,
  },
  {
    files: "e2e/{tests,demo,faults}/**",
    imports: ["e2e/{src,demo,faults}/**", "{services,agent,cli}/src/**", PROTO],
    packages: ["*"],
    reaches: ANY,
  },
  {
    files: "bench/*.ts",
    imports: ["e2e/src/**", "scripts/bundle.ts"],
    packages: ["node:*"],
    reaches: ANY,
  },
  {
    files: "scripts/{commands-reference,told-commands.test}.ts",
    imports: ["cli/src/{host,program}.ts"],
    packages: ["node:fs", "vitest"],
  },
  {
    files: "{scripts/*,*.test,vitest.config}.ts",
    imports: ["scripts/*"],
    packages: ["*"],
    reaches: ANY,
  },
];

function any(names: readonly string[]): string {
  return `{${names.join(",")}}`;
}

/** Alternatives in braces would each be tried, so that what one forbids another allows. */
function no(names: readonly string[]): string {
  return `!(${names.join("|")})`;
}
