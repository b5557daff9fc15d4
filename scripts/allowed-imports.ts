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
const FEATURES = "services/src/{publish,channel,checkin,access}";
const BUF = "@bufbuild/protobuf";
const CONNECT = "@connectrpc/connect";
const ANY: readonly Reach[] = ["environment", "clock", "processes"];

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

  // The server, outside in: main, server, routes, service, rules and queries, database.
  {
    files: "services/src/main.ts",
    imports: ["services/src/*.ts", "services/src/db/*.ts", `${FEATURES}/*.ts`, PROTO],
    packages: ["node:*", "pino"],
    reaches: ["clock"],
  },
  {
    files: "services/src/config.ts",
    imports: ["services/src/*.ts", PROTO],
    packages: ["node:*", "zod"],
    reaches: ["environment"],
  },
  {
    files: `${FEATURES}/service.ts`,
    imports: ["services/src/*.ts", "services/src/db/*.ts", `${FEATURES}/*.ts`, PROTO],
    packages: [BUF, CONNECT],
  },
  {
    files: `${FEATURES}/queries.ts`,
    imports: ["services/src/*.ts", "services/src/db/*.ts", `${FEATURES}/*.ts`, PROTO],
    packages: [BUF, "kysely"],
  },
  {
    files: `${FEATURES}/*.ts`,
    imports: [`${FEATURES}/!(service|queries).ts`, PROTO],
    packages: [BUF],
  },
  {
    files: "services/src/db/**",
    imports: ["services/src/*.ts", "services/src/db/**", PROTO],
    packages: ["node:*", "kysely", "kysely-postgres-js", "postgres", "@electric-sql/pglite"],
  },
  {
    files: "services/src/*.ts",
    imports: ["services/src/!(main).ts", `${FEATURES}/service.ts`, PROTO],
    packages: ["node:*", BUF, "@connectrpc/*", "pino"],
  },

  // The device: pure files at the root, adapters in folders; only main joins them.
  { files: "agent/src/main.ts", imports: ["agent/src/**", PROTO], packages: ["node:*"] },
  {
    files: "agent/src/config.ts",
    imports: ["agent/src/*.ts", PROTO],
    packages: ["node:*", "valibot"],
    reaches: ["environment"],
  },
  {
    files: "agent/src/clock.ts",
    imports: ["agent/src/*.ts"],
    packages: ["node:*"],
    reaches: ["clock"],
  },
  {
    files: "agent/src/process/*.ts",
    imports: ["agent/src/!(main).ts", "agent/src/process/*.ts"],
    packages: ["node:*"],
    reaches: ["processes", "clock"],
  },
  {
    files: "agent/src/*/*.ts",
    imports: ["agent/src/!(main).ts", "agent/src/*/*.ts", PROTO],
    packages: ["node:*", BUF, "@connectrpc/*"],
  },
  { files: "agent/src/*.ts", imports: ["agent/src/!(main).ts", PROTO], packages: [BUF] },

  // The operator.
  {
    files: "cli/src/host.ts",
    imports: ["cli/src/*.ts"],
    packages: ["node:*"],
    reaches: ["environment", "clock"],
  },
  {
    files: "cli/src/nix.ts",
    imports: ["cli/src/*.ts", PROTO],
    packages: ["node:*"],
    reaches: ["processes"],
  },
  {
    files: "cli/src/http-cache.ts",
    imports: ["cli/src/*.ts", PROTO],
    packages: ["node:*"],
    reaches: ["clock"],
  },
  {
    files: "cli/**",
    imports: ["cli/src/**", PROTO],
    packages: ["node:*", BUF, "@connectrpc/*", "@commander-js/*", "commander", "@clack/prompts"],
  },

  // What runs everything: the whole path, and the tools of this repository.
  {
    files: "e2e/**",
    imports: ["e2e/**", "{services,agent,cli}/src/**", PROTO],
    packages: ["*"],
    reaches: ANY,
  },
  {
    files: "scripts/demo/**",
    imports: ["scripts/**", "e2e/**", PROTO],
    packages: ["*"],
    reaches: ANY,
  },
  {
    files: "{scripts/*,*.test,vitest.config}.ts",
    imports: ["scripts/*"],
    packages: ["*"],
    reaches: ANY,
  },
];
