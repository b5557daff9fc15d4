import { codeToHttpStatus } from "@connectrpc/connect/protocol-connect";

import { answerTo } from "./errors.ts";
import type { HttpHandler } from "./listener.ts";
import { METRICS_TYPE } from "./metrics/metrics.ts";
import type { Onlooker } from "./onlooker.ts";

/** Answers with the metrics, to whom it may. */
export function metricsPage(options: {
  readonly require: (onlooker: Onlooker) => Promise<void>;
  readonly text: () => Promise<string>;
}): HttpHandler {
  return (request, response) => {
    const answer = (status: number, type: string, text: string) => {
      response.writeHead(status, {
        "content-type": type,
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
        ...(status === 401 ? { "www-authenticate": "Bearer" } : {}),
      });
      response.end(request.method === "HEAD" ? "" : text);
      request.resume();
    };
    const refuse = (thrown: unknown) => {
      const { error } = answerTo(thrown);
      answer(codeToHttpStatus(error.code), "text/plain; charset=utf-8", `${error.rawMessage}\n`);
    };
    const header = (name: string) => {
      const value = request.headers[name];
      return value === undefined ? null : String(value);
    };
    const address = request.socket.remoteAddress ?? "";
    void options
      .require({ address, header })
      .then(options.text)
      .then((text) => answer(200, METRICS_TYPE, text))
      .catch(refuse);
  };
}
