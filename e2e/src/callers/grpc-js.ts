import { once } from "node:events";

import {
  type DescMessage,
  fromBinary,
  fromJson,
  type JsonValue,
  toBinary,
  toJson,
} from "@bufbuild/protobuf";
import { Client, credentials, Metadata } from "@grpc/grpc-js";

import { type Caller, CALL_LIMIT_MS, pathOf } from "./caller.ts";

/** The gRPC library of Node.js, on binary protobuf over HTTP/2 in the clear. */
export function grpcJs(serverUrl: string): Caller {
  const client = new Client(new URL(serverUrl).host, credentials.createInsecure());
  return {
    async unary(method, message, token) {
      return await new Promise((resolve, reject) => {
        client.makeUnaryRequest(
          pathOf(method),
          encoder(method.input),
          decoder(method.output),
          message,
          bearer(token),
          { deadline: Date.now() + CALL_LIMIT_MS },
          (error, answer) => {
            if (error === null && answer !== undefined) resolve(answer);
            else reject(error ?? new Error("neither an error nor an answer"));
          },
        );
      });
    },
    async stream(method, message, token) {
      const [encode, decode] = [encoder(method.input), decoder(method.output)];
      const path = pathOf(method);
      const both = method.methodKind === "bidi_streaming";
      const open = () => {
        if (!both)
          return client.makeServerStreamRequest(path, encode, decode, message, bearer(token));
        const call = client.makeBidiStreamRequest(path, encode, decode, bearer(token));
        call.write(message);
        return call;
      };
      const call = open();
      const first = once(call, "data", { signal: AbortSignal.timeout(CALL_LIMIT_MS) });
      // Whoever waits hears of it; the cancellation at the end is heard by nobody.
      first.catch(() => undefined);
      call.on("error", () => undefined);
      return {
        async first() {
          const [answer] = (await first) as [JsonValue];
          return answer;
        },
        async [Symbol.asyncDispose]() {
          call.cancel();
        },
      };
    },
    async [Symbol.asyncDispose]() {
      client.close();
    },
  };
}

function encoder(schema: DescMessage) {
  return (message: JsonValue) => Buffer.from(toBinary(schema, fromJson(schema, message)));
}

function decoder(schema: DescMessage) {
  return (bytes: Buffer): JsonValue => toJson(schema, fromBinary(schema, bytes));
}

function bearer(token: string): Metadata {
  const metadata = new Metadata();
  metadata.set("authorization", `Bearer ${token}`);
  return metadata;
}
