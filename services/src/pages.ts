import type { HttpHandler } from "./listener.ts";

/** Pages by their paths, whatever the query; `otherwise` answers for every other path. */
export function pages(
  byPath: Readonly<Record<string, HttpHandler>>,
  otherwise: HttpHandler,
): HttpHandler {
  const handlers = new Map(Object.entries(byPath));
  return (request, response) => {
    const path = request.url?.split("?", 1)[0] ?? "";
    (handlers.get(path) ?? otherwise)(request, response);
  };
}
