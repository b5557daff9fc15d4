import { join } from "node:path";

import type { JsonValue } from "@bufbuild/protobuf";

import { ProcessHandle } from "../process-handle.ts";
import { expectSuccess, runCommand } from "../run-command.ts";
import { type Caller, CALL_LIMIT_MS, pathOf } from "./caller.ts";

const REPOSITORY = join(import.meta.dirname, "../../..");

/** The three protocols that it speaks. */
export const BUF_PROTOCOLS = ["connect", "grpc", "grpcweb"] as const;

/** `buf curl` over HTTP/2 in the clear, which learns the contract from the server's reflection. */
export function bufCurl(serverUrl: string, protocol: (typeof BUF_PROTOCOLS)[number]): Caller {
  const argvOf = (method: Parameters<typeof pathOf>[0], token: string) => [
    join(REPOSITORY, "node_modules/.bin/buf"),
    "curl",
    ...["--schema", REPOSITORY, "--protocol", protocol, "--http2-prior-knowledge"],
    ...["--header", `authorization: Bearer ${token}`],
    ...["--data", "@-", serverUrl + pathOf(method)],
  ];
  return {
    async unary(method, message, token) {
      const argv = argvOf(method, token);
      const input = JSON.stringify(message);
      const result = await runCommand(argv, { input, timeoutMs: CALL_LIMIT_MS });
      return JSON.parse(expectSuccess(argv, result)) as JsonValue;
    },
    async stream(method, message, token) {
      const running = await ProcessHandle.start(argvOf(method, token), {
        input: JSON.stringify(message),
      });
      return {
        async first() {
          // It prints each message over several lines; a brace of its own ends one.
          let text = "";
          await running.waitForLine((line) => {
            text += `${line}\n`;
            return line === "}" || /^\{.*\}$/.test(line) ? line : undefined;
          }, CALL_LIMIT_MS);
          return JSON.parse(text) as JsonValue;
        },
        async [Symbol.asyncDispose]() {
          await running.stop();
        },
      };
    },
    async [Symbol.asyncDispose]() {
      // Each call was a process of its own.
    },
  };
}
