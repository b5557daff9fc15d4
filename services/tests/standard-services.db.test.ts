import { execFile } from "node:child_process";
import { resolve } from "node:path";
import { promisify } from "node:util";

import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import * as grpc from "@grpc/grpc-js";
import {
  Health,
  HealthCheckResponse_ServingStatus as Status,
} from "@nix-ota/proto/grpc/health/v1/health_pb";
import { ServerReflection } from "@nix-ota/proto/grpc/reflection/v1/reflection_pb";
import { ServerReflection as AlphaReflection } from "@nix-ota/proto/grpc/reflection/v1alpha/reflection_pb";
import { afterAll, beforeAll, expect, test } from "vitest";

import { TestServer } from "./server.testkit.ts";

const BUF = resolve(import.meta.dirname, "../../node_modules/.bin/buf");
const NIX_OTA = ["Publish", "Channel", "Checkin", "Access"].map(
  (name) => `nixota.v1.${name}Service`,
);

let server: TestServer;
let proxied: TestServer;
beforeAll(async () => {
  server = await TestServer.start("postgresql");
  proxied = await TestServer.start("postgresql", {
    argv: ["--public-url", "https://ota.example.org", "--services", "channel"],
  });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await proxied[Symbol.asyncDispose]();
});

const transportTo = (url: string) => createGrpcTransport({ baseUrl: url });

/** What buf prints, or says when it fails. */
async function bufCurl(...argv: readonly string[]): Promise<string> {
  const run = promisify(execFile)(BUF, ["curl", "--http2-prior-knowledge", ...argv], {
    timeout: 30_000,
  });
  return await run.then(
    ({ stdout }) => stdout,
    (failed: { stderr: string }) => failed.stderr,
  );
}

test("buf curl lists the calls and makes one by reflection alone, by every protocol", async () => {
  const listed = await bufCurl("--list-methods", server.url);
  expect(listed.split("\n")).toEqual(
    expect.arrayContaining(["nixota.v1.PublishService/Publish", "grpc.health.v1.Health/Check"]),
  );
  const header = ["--header", `Authorization: Bearer ${server.token}`];
  for (const protocol of ["grpc", "grpcweb", "connect"]) {
    const call = `${server.url}/nixota.v1.AccessService/GetCaller`;
    const said = await bufCurl("--protocol", protocol, ...header, "-d", "{}", call);
    expect(JSON.parse(said)).toMatchObject({ name: "publish-token" });
  }
  const both = await bufCurl("--reflect-protocol", "grpc-v1alpha", "--list-services", server.url);
  expect(both.split("\n")).toEqual(expect.arrayContaining(NIX_OTA));
});

test("reflection of a server behind a proxy is for the scope read, and tells only what runs", async () => {
  expect(await bufCurl("--list-services", proxied.url)).toMatch(/not authenticated/);
  const header = ["--reflect-header", `Authorization: Bearer ${proxied.token}`];
  const listed = await bufCurl(...header, "--list-services", proxied.url);
  expect(listed.split("\n").filter((name) => name.startsWith("nixota"))).toEqual([
    "nixota.v1.ChannelService",
  ]);
});

test("reflection answers every kind of question, one after the other, in both versions", async () => {
  for (const service of [ServerReflection, AlphaReflection]) {
    const client = createClient(service, transportTo(server.url));
    const ask = async function* () {
      const [containingType, extensionNumber] = ["google.protobuf.FieldOptions", 1159];
      const questions = [
        { case: "fileContainingSymbol", value: "nixota.v1.PublishService.Publish" },
        { case: "fileByFilename", value: "nixota/v1/error.proto" },
        { case: "fileContainingExtension", value: { containingType, extensionNumber } },
        { case: "allExtensionNumbersOfType", value: containingType },
        { case: "fileContainingSymbol", value: "nixota.v1.Nothing" },
        { case: undefined },
      ] as const;
      for (const messageRequest of questions) yield { host: "h", messageRequest };
    };
    const answers: unknown[] = [];
    for await (const answer of client.serverReflectionInfo(ask())) {
      const { messageResponse: said, validHost } = answer;
      expect(validHost).toBe("h");
      answers.push(
        said.case === "fileDescriptorResponse" ? said.value.fileDescriptorProto.length > 0 : said,
      );
    }
    expect(answers).toMatchObject([
      true,
      true,
      true,
      {
        case: "allExtensionNumbersResponse",
        value: { extensionNumber: expect.arrayContaining([1159]) },
      },
      { case: "errorResponse", value: { errorCode: 5 } },
      { case: "errorResponse", value: { errorCode: 3 } },
    ]);
  }
});

test("grpc-js asks for health without a credential, and is told which services run", async () => {
  const client = new grpc.Client(new URL(proxied.url).host, grpc.credentials.createInsecure());
  const check = async (service: string) => {
    const request = Buffer.concat([Buffer.from([10, service.length]), Buffer.from(service)]);
    return await new Promise<string>((done) => {
      client.makeUnaryRequest(
        "/grpc.health.v1.Health/Check",
        (bytes: Buffer) => bytes,
        (bytes: Buffer) => bytes,
        request,
        (error, answer) => done(error === null ? (answer?.toString("hex") ?? "") : error.details),
      );
    });
  };
  try {
    expect(await check("")).toBe("0801");
    expect(await check("nixota.v1.ChannelService")).toBe("0801");
    expect(await check("nixota.v1.PublishService")).toBe("no service of this name runs here");
  } finally {
    client.close();
  }
});

test("a watch tells the state at once and ends when the server does", async () => {
  const own = await TestServer.start("postgresql");
  const client = createClient(Health, transportTo(own.url));
  const seen: (Status | string)[] = [];
  try {
    for await (const { status } of client.watch({ service: "" })) {
      seen.push(status);
      void own.close();
    }
  } catch (error) {
    seen.push(Code[ConnectError.from(error).code]);
  }
  expect(seen).toEqual([Status.SERVING, "Unavailable"]);
});
