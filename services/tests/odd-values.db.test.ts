import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { type DescMethodUnary, ScalarType } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { AccessService } from "@nix-ota/proto/nixota/v1/access_service_pb";
import { ChannelService } from "@nix-ota/proto/nixota/v1/channel_service_pb";
import { CheckinService } from "@nix-ota/proto/nixota/v1/checkin_service_pb";
import { PublishService } from "@nix-ota/proto/nixota/v1/publish_service_pb";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { createPostgresDatabase, DATABASES } from "./databases.testkit.ts";
import { envelope, KEY, seed } from "./manifests.testkit.ts";
import { ODD_TEXTS, oddMessage } from "./odd-values.testkit.ts";
import { ServerProcess } from "./server-process.testkit.ts";
import { clientsOf, TestDevice } from "./server.testkit.ts";

const [TOKEN, ADMIN] = ["t".repeat(40), "a".repeat(40)];
const RUNS = 25;

const METHODS = [CheckinService, ChannelService, PublishService, AccessService]
  .flatMap(({ methods }): readonly { methodKind: string }[] => methods)
  .filter((method) => method.methodKind === "unary") as DescMethodUnary[];

/** Codes that say that the server is at fault, which nothing that a caller sends may be answered with. */
const DEFECTS: ReadonlySet<Code> = new Set([Code.Internal, Code.Unknown, Code.DataLoss]);

describe.each(DATABASES)("odd values on %s", (kind) => {
  let folder = "";
  let server: ServerProcess;
  let session = "";

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "nix-ota-odd-"));
    writeFileSync(join(folder, "token"), TOKEN);
    writeFileSync(join(folder, "admin"), ADMIN);
    server = await ServerProcess.start(
      [
        ...["--listen", "127.0.0.1:0", "--data-dir", join(folder, "data")],
        ...["--publish-token-file", join(folder, "token")],
        ...["--admin-token-file", join(folder, "admin")],
      ],
      kind === "postgresql" ? { DATABASE_URL: await createPostgresDatabase() } : {},
    );
    await clientsOf(server.url, TOKEN).publish.publish({
      envelopes: [envelope({ revision: 1n })],
      publicKeys: [{ key: KEY, name: "" }],
    });
    const device = new TestDevice(server.url, "gw-1", seed(1));
    await device.enrol({ channel: "prod" });
    session = (await device.authenticate()).sessionToken;
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  });

  test.each(METHODS.map((method) => [method.name, method] as const))(
    "%s answers them, and none as a defect",
    async (_name, method) => {
      const transport = createConnectTransport({ baseUrl: server.url, httpVersion: "1.1" });
      await fc.assert(
        fc.asyncProperty(
          oddMessage(method.input),
          fc.constantFrom(ADMIN, TOKEN, session),
          async (message, token) => {
            const headers = { authorization: `Bearer ${token}` };
            const code = await transport
              .unary(method, undefined, 30_000, headers, message as never)
              .then(
                () => undefined,
                (error: unknown) => ConnectError.from(error).code,
              );
            expect(code === undefined || !DEFECTS.has(code), Code[code ?? 0]).toBe(true);
          },
        ),
        { numRuns: RUNS },
      );
    },
  );

  test.each(METHODS.map((method) => [method.name, method] as const))(
    "%s takes halves of characters, unknown and repeated fields for what they are",
    async (name, { parent, input }) => {
      const strings = input.fields.filter(
        (field) => field.fieldKind === "scalar" && field.scalar === ScalarType.STRING,
      );
      const bodies = [
        ...strings.map(({ jsonName }) => `{"${jsonName}":"\\ud800"}`),
        ...strings.map(({ jsonName }) => `{"${jsonName}":"a","${jsonName}":"\\u0000"}`),
        '{"nobodyKnows":{"a":[1,{}]}}',
        '{"__proto__":{"channel":"prod"}}',
        "[]",
        "null",
        "{",
        "[".repeat(20_000),
      ];
      const seen = await Promise.all(
        bodies.map(async (body) => {
          const response = await fetch(`${server.url}/${parent.typeName}/${name}`, {
            method: "POST",
            headers: { "content-type": "application/json", authorization: `Bearer ${ADMIN}` },
            body,
          });
          await response.arrayBuffer();
          return response.status;
        }),
      );
      expect(seen.filter((status) => status === 500)).toEqual([]);
    },
  );

  test("nothing of it was a defect in the log, and no line of the log was broken by it", () => {
    expect(ODD_TEXTS.length).toBeGreaterThan(20);
    expect(server.log.filter(({ level }) => Number(level) >= 50)).toEqual([]);
  });
});
