import { randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";

import { create } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { processHost } from "@nix-ota/cli/host";
import { runCommand } from "@nix-ota/cli/run-command";
import { signManifest } from "@nix-ota/proto";
import { signAuthStatement } from "@nix-ota/proto/auth-statement";
import { publicKeyOf } from "@nix-ota/proto/ed25519";
import { toBase64 } from "@nix-ota/proto/hash";
import { listingDigest, makeListing } from "@nix-ota/proto/listing";
import { CheckinService } from "@nix-ota/proto/nixota/v1/checkin_service_pb";
import { DeviceStanding } from "@nix-ota/proto/nixota/v1/device_pb";
import { ManifestSchema } from "@nix-ota/proto/nixota/v1/manifest_pb";
import { PublishService } from "@nix-ota/proto/nixota/v1/publish_service_pb";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { type RunningProcess, startServer } from "../src/processes.ts";
import { TemporaryFolder } from "../src/temporary-folder.ts";

const SEED = new Uint8Array(32).fill(7);
const PUBLIC_KEY = `sign:${toBase64(publicKeyOf(SEED))}`;

/** What an operator does with the commands alone, on a real server. */
describe("an operator at the command line", () => {
  let folder: TemporaryFolder;
  let server: RunningProcess;
  let adminFile: string;

  beforeAll(async () => {
    folder = await TemporaryFolder.create("operator");
    adminFile = folder.join("admin");
    await writeFile(adminFile, randomBytes(32).toString("hex"), { mode: 0o600 });
    server = await startServer({
      dataDir: folder.join("data"),
      arguments: ["--admin-token-file", adminFile],
    });
    const context = ["--server", server.url, "--token-file", adminFile, "--channel", "prod"];
    await ok("context", "set", "admin", ...context);
  });

  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
  });

  /** A command line in the context of the admin. */
  async function run(...args: string[]) {
    const written = { out: "", err: "" };
    const sink = (name: "out" | "err") => ({
      isTerminal: false,
      columns: undefined,
      write: (text: string) => {
        written[name] += text;
      },
    });
    const code = await runCommand(args, {
      ...processHost(new AbortController().signal),
      env: { XDG_CONFIG_HOME: folder.path },
      canAsk: false,
      stdout: sink("out"),
      stderr: sink("err"),
    });
    return { code, ...written };
  }

  async function ok(...args: string[]): Promise<string> {
    const { code, out, err } = await run(...args);
    expect(code, `nix-ota ${args.join(" ")}: ${err}`).toBe(0);
    return out;
  }

  async function json(...args: string[]) {
    return JSON.parse(await ok(...args, "--json")) as Record<string, unknown>;
  }

  function transport(token?: string) {
    return createConnectTransport({
      baseUrl: server.url,
      httpVersion: "1.1",
      interceptors: [
        (next) => (request) => {
          if (token !== undefined) request.header.set("authorization", `Bearer ${token}`);
          return next(request);
        },
      ],
    });
  }

  async function publish(revision: bigint, letter: string, token: string): Promise<void> {
    const storePath = `/nix/store/${letter.repeat(32)}-nixos-system-sim-${revision}`;
    const listing = makeListing([
      { path: storePath, narHash: `sha256:${"0".repeat(64)}` },
      {
        path: `/nix/store/${letter.repeat(32)}-curl-8.${revision}`,
        narHash: `sha256:${"1".repeat(64)}`,
      },
    ]);
    const manifest = create(ManifestSchema, {
      schema: 1,
      channel: "prod",
      revision,
      system: "x86_64-linux",
      storePath,
      substituters: ["https://cache.example.org"],
      closureBytes: 1000n,
      closureDigest: listingDigest(listing),
      issuedAtS: 1_700_000_000n,
    });
    const envelopes = [signManifest(manifest, [SEED])];
    await createClient(PublishService, transport(token)).publish({
      envelopes,
      listings: [listing],
    });
  }

  /** Presents a device's key as its agent does, and reports where the device is let in. */
  async function enrol(deviceId: string, byte: number, enrolmentToken = ""): Promise<void> {
    const seed = new Uint8Array(32).fill(byte);
    const checkin = createClient(CheckinService, transport());
    const { nonce } = await checkin.createChallenge({ deviceId });
    const auth = signAuthStatement({ serverUrl: server.url, deviceId, nonce }, seed);
    const publicKey = publicKeyOf(seed);
    const { standing } = await checkin.enrol({ auth, publicKey, channel: "prod", enrolmentToken });
    if (standing !== DeviceStanding.ACCEPTED) return;
    const { sessionToken } = await checkin.authenticate({ auth });
    const report = { deviceId, sequence: 1n, channel: "prod", committedRevision: 1n };
    await createClient(CheckinService, transport(sessionToken)).checkIn({ report });
  }

  test("makes a channel, a token for CI that may do no more, and sees both in the audit", async () => {
    await ok("channel", "create", "prod", "--public-key", PUBLIC_KEY, "--enrolment", "token");
    expect(await json("channel", "show", "prod")).toMatchObject({
      enrolment: "token",
      headRevision: 0,
      publicKeys: [{ publicKey: PUBLIC_KEY }],
    });
    const secret = await ok("token", "create", "ci", "--scope", "publish:prod", "--expires", "1d");
    const token = secret.trim();
    await publish(1n, "a", token);
    await publish(2n, "b", token);
    const ciFile = folder.join("ci");
    await writeFile(ciFile, token, { mode: 0o600 });
    expect(await json("whoami", "--token-file", ciFile)).toMatchObject({
      name: "ci",
      scopes: ["publish:prod"],
    });
    const refused = await run("channel", "pause", "prod", "--token-file", ciFile);
    expect(refused.code).toBe(3);
    expect(refused.err).toMatch(/operate:prod/);
    const { entries } = await json("audit", "list");
    expect(entries).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ actor: "ci", action: "Publish", subject: "prod r2" }),
        expect.objectContaining({ action: "CreateToken" }),
        expect.objectContaining({ action: "CreateChannel", subject: "prod" }),
      ]),
    );
  });

  test("sees what a release is and what it changes", async () => {
    expect(await json("release", "show", "2")).toMatchObject({ revision: 2, publishedBy: "ci" });
    expect(await json("release", "diff")).toMatchObject({
      beforeRevision: 1,
      afterRevision: 2,
      packages: expect.arrayContaining([
        { name: "curl", before: ["8.1"], after: ["8.2"], sizeDeltaBytes: 0 },
      ]),
    });
    expect(await ok("rollout", "status")).toMatch(/^state +running$/m);
  });

  test("lets devices in by a token and by approval, and steers them", async () => {
    const secret = await ok("enrol-token", "create", "--uses", "2");
    await enrol("fridge-001", 1, secret.trim());
    await enrol("fridge-002", 2, secret.trim());
    await ok("channel", "set", "prod", "--enrolment", "approve");
    await enrol("fridge-003", 3);
    const { devices } = await json("device", "list");
    expect(devices).toMatchObject([
      { id: "fridge-001", standing: "accepted", enrolledBy: expect.stringMatching(/^token:/) },
      { id: "fridge-002", standing: "accepted" },
      { id: "fridge-003", standing: "pending", enrolledBy: "approve" },
    ]);
    const several = ["device", "approve", "--filter", "standing:pending channel:prod"];
    expect((await run(...several)).code).toBe(2);
    expect(await ok(...several, "--yes")).toBe("1 device is approved: fridge-003\n");
    await ok("device", "tag", "fridge-001", "fridge-002", "--add", "shop", "--yes");
    await ok("device", "pin", "fridge-002", "--revision", "1");
    const shop = await json("device", "list", "--filter", "tag:shop is:pinned");
    expect(shop["devices"]).toMatchObject([
      { id: "fridge-002", pinnedRevision: 1, tags: ["shop"] },
    ]);
    expect(await ok("device", "why", "fridge-002")).toContain("pinned to r1");
    await ok("device", "revoke", "fridge-003");
    expect(await ok("device", "why", "fridge-003")).toContain("ended the access");
  });

  test("holds a release back and lets it go on", async () => {
    expect(await ok("rollout", "pause")).toMatch(/^prod r2 is paused/);
    expect(await ok("device", "why", "fridge-001")).toContain("nix-ota rollout resume prod");
    expect(await ok("rollout", "resume", "prod")).toMatch(/^prod r2 is running/);
    await ok("channel", "pause", "prod");
    expect(await ok("device", "why", "fridge-001")).toContain("nix-ota channel resume prod");
    await ok("channel", "resume", "prod");
  });

  test("recovers nothing where devices hold nothing more than the server", async () => {
    const { code, err } = await run("channel", "recover", "prod", "--dry-run");
    expect({ code, lines: err.split("\n").length }).toEqual({ code: 3, lines: 2 });
    expect(err).toMatch(/^error: .*; /);
  });

  test("is completed with names from the server", async () => {
    expect(await ok("complete", "bash", "--", "device", "why", "fridge-00")).toBe(
      "fridge-001\nfridge-002\nfridge-003\n",
    );
    expect(await ok("complete", "bash", "--", "channel", "show", "")).toBe("prod\n");
  });

  test("finds nothing wrong with itself, and a token that was revoked", async () => {
    await ok("doctor");
    const secret = folder.join("gone");
    await ok("token", "create", "gone", "--scope", "read", "--out", secret);
    const { tokens } = (await json("token", "list")) as { tokens: { id: string; name: string }[] };
    await ok("token", "revoke", tokens.find(({ name }) => name === "gone")?.id ?? "");
    const { code, out } = await run("doctor", "--token-file", secret);
    expect(code).toBe(1);
    expect(out).toMatch(/^wrong +token /m);
  });
});
