import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { createClient, type Client, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { signAuthStatement } from "@nix-ota/proto/auth-statement";
import { publicKeyOf } from "@nix-ota/proto/ed25519";
import { AccessService } from "@nix-ota/proto/nixota/v1/access_service_pb";
import { ChannelService } from "@nix-ota/proto/nixota/v1/channel_service_pb";
import { CheckinService } from "@nix-ota/proto/nixota/v1/checkin_service_pb";
import { ReportSchema, type Directive } from "@nix-ota/proto/nixota/v1/device_pb";
import { PublishService } from "@nix-ota/proto/nixota/v1/publish_service_pb";
import { pino } from "pino";

import { parseConfig } from "../src/config.ts";
import type { Store } from "../src/db/store.ts";
import { LIMITS, type Limits } from "../src/limits.ts";
import { startServer, type Server, type Surroundings } from "../src/server.ts";
import { createPostgresDatabase, type DatabaseKind, makeDataDir } from "./databases.testkit.ts";

/** Clients with one credential. */
export interface Clients {
  readonly publish: Client<typeof PublishService>;
  readonly channel: Client<typeof ChannelService>;
  readonly checkin: Client<typeof CheckinService>;
  readonly access: Client<typeof AccessService>;
}

/** Clients that call a server with a bearer token, or without any. */
export function clientsOf(url: string, token?: string): Clients {
  const interceptors: Interceptor[] = [
    (next) => (request) => {
      if (token !== undefined) request.header.set("authorization", `Bearer ${token}`);
      return next(request);
    },
  ];
  const transport = createConnectTransport({ baseUrl: url, httpVersion: "1.1", interceptors });
  return {
    publish: createClient(PublishService, transport),
    channel: createClient(ChannelService, transport),
    checkin: createClient(CheckinService, transport),
    access: createClient(AccessService, transport),
  };
}

/** A real server in this process, listening on loopback. */
export class TestServer implements AsyncDisposable {
  readonly url: string;
  readonly token: string;
  readonly operator: Clients;
  readonly adminToken: string;
  readonly admin: Clients;
  readonly #server: Server;
  readonly #folder: string;

  private constructor(parts: {
    server: Server;
    token: string;
    adminToken: string;
    folder: string;
  }) {
    this.#server = parts.server;
    this.#folder = parts.folder;
    this.url = parts.server.url;
    this.token = parts.token;
    this.operator = clientsOf(this.url, this.token);
    this.adminToken = parts.adminToken;
    this.admin = clientsOf(this.url, this.adminToken);
  }

  /** @param extra More options; `database` is one that others use as well. */
  static async start(
    kind: DatabaseKind,
    extra: {
      readonly argv?: readonly string[];
      readonly database?: string;
      readonly limits?: Partial<Limits>;
    } = {},
  ): Promise<TestServer> {
    const limits = { ...LIMITS, ...extra.limits };
    if (kind === "embedded")
      return await TestServer.#start(extra.argv ?? [], {}, { limits }, makeDataDir);
    const env = { DATABASE_URL: extra.database ?? (await createPostgresDatabase("migrated")) };
    return await TestServer.#start(extra.argv ?? [], env, { limits });
  }

  /** On a database that is open, and by a clock of the test's. The server closes the database. */
  static async on(
    store: Store,
    nowMs: () => number = Date.now,
    argv: readonly string[] = [],
    limits: Partial<Limits> = {},
  ): Promise<TestServer> {
    return await TestServer.#start(
      argv,
      {},
      {
        connect: async () => store,
        nowMs,
        limits: { ...LIMITS, ...limits },
      },
    );
  }

  static async #start(
    extra: readonly string[],
    env: Readonly<Record<string, string>>,
    surroundings: Partial<Surroundings>,
    prepare: (dataDir: string) => void = () => undefined,
  ): Promise<TestServer> {
    const folder = mkdtempSync(join(tmpdir(), "nix-ota-server-"));
    const file = (name: string, content: string) => {
      writeFileSync(join(folder, name), content);
      return join(folder, name);
    };
    const [token, adminToken] = [newSecret(), newSecret()];
    const files = [
      ...["--publish-token-file", file("token", token)],
      ...["--admin-token-file", file("admin-token", adminToken)],
    ];
    const dataDir = join(folder, "data");
    prepare(dataDir);
    const argv = ["--listen", "127.0.0.1:0", "--data-dir", dataDir];
    const config = parseConfig([...argv, ...files, ...extra], env);
    if (config.kind !== "config") throw new Error(JSON.stringify(config));
    const server = await startServer(config.config, pino({ level: "silent" }), surroundings);
    return new TestServer({ server, token, adminToken, folder });
  }

  /** An enrolled device with a session. */
  async device(id: string, byte = 1): Promise<TestDevice> {
    const device = new TestDevice(this.url, id, new Uint8Array(32).fill(byte));
    await device.enrol({ channel: "prod" });
    await device.authenticate();
    return device;
  }

  /** Ends the server and leaves its files. */
  async close(): Promise<void> {
    await this.#server.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.close();
    rmSync(this.#folder, { recursive: true });
  }
}

function newSecret(): string {
  return randomBytes(32).toString("hex");
}

type ReportFields = MessageInitShape<typeof ReportSchema>;

/** A device that keeps its key and sequence. */
export class TestDevice {
  readonly id: string;
  readonly seed: Uint8Array;
  readonly #url: string;
  #clients: Clients;
  #token = "";
  #sequence = 0n;

  constructor(url: string, id: string, seed: Uint8Array) {
    this.#url = url;
    this.id = id;
    this.seed = seed;
    this.#clients = clientsOf(url);
  }

  get clients(): Clients {
    return this.#clients;
  }

  /** Of its newest session; empty before the first. */
  get token(): string {
    return this.#token;
  }

  async prove(serverUrl = this.#url) {
    const { nonce } = await this.#clients.checkin.createChallenge({ deviceId: this.id });
    return signAuthStatement({ serverUrl, deviceId: this.id, nonce }, this.seed);
  }

  async enrol(fields: { channel: string; target?: string; enrolmentToken?: string }) {
    const publicKey = publicKeyOf(this.seed);
    return await this.#clients.checkin.enrol({ auth: await this.prove(), publicKey, ...fields });
  }

  async authenticate() {
    const answer = await this.#clients.checkin.authenticate({ auth: await this.prove() });
    this.#token = answer.sessionToken;
    this.#clients = clientsOf(this.#url, this.#token);
    return answer;
  }

  /** Reports with the next sequence, or the one given. */
  async report(fields: ReportFields = {}): Promise<Directive> {
    const { directive } = await this.#clients.checkin.checkIn({ report: this.next(fields) });
    if (directive === undefined) throw new Error("the answer holds no directive");
    return directive;
  }

  next(fields: ReportFields) {
    this.#sequence += 1n;
    return create(ReportSchema, {
      deviceId: this.id,
      sequence: this.#sequence,
      bootId: "boot-1",
      channel: "prod",
      agentVersion: "0.1.0",
      agentLevel: 1,
      ...fields,
    });
  }
}
