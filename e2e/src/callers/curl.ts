import type { JsonValue } from "@bufbuild/protobuf";

import { HarnessError } from "../harness-error.ts";
import { expectSuccess, runCommand } from "../run-command.ts";
import { type Caller, CALL_LIMIT_MS, pathOf } from "./caller.ts";

/** curl, which knows nothing of protobuf: JSON by POST. */
export function curl(serverUrl: string): Caller {
  return {
    async unary(method, message, token) {
      const argv = [
        "curl",
        ...["--silent", "--show-error", "--fail-with-body"],
        ...["--header", "content-type: application/json"],
        ...["--header", `authorization: Bearer ${token}`],
        ...["--data-binary", "@-", serverUrl + pathOf(method)],
      ];
      const input = JSON.stringify(message);
      const result = await runCommand(argv, { input, timeoutMs: CALL_LIMIT_MS });
      return JSON.parse(expectSuccess(argv, result)) as JsonValue;
    },
    async stream() {
      throw new HarnessError("usage", "curl cannot frame the messages of a stream");
    },
    async [Symbol.asyncDispose]() {
      // Each call was a process of its own.
    },
  };
}
