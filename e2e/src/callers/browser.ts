import { join } from "node:path";

import type { DescMethod, JsonValue } from "@bufbuild/protobuf";
import { chromium } from "playwright-core";
import { rolldown } from "rolldown";

import { type Caller, CALL_LIMIT_MS } from "./caller.ts";

/** What the script of `browser-page.ts` puts into the page; messages are JSON text. */
export interface PageCalls {
  unary(service: string, method: string, json: string, token: string): Promise<string>;
  /** The first message of a stream, which is left open. */
  first(service: string, method: string, json: string, token: string): Promise<string>;
}

// No sandbox: the tests may run as root, and the only page is the server's own. The others keep the
// browser from calling anybody but the server.
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** A real browser with the generated client, on a page of the server's own origin. */
export async function browser(serverUrl: string): Promise<Caller> {
  await using stack = new AsyncDisposableStack();
  const chrome = await chromium.launch({ executablePath: "/usr/bin/chromium", args: FLAGS });
  stack.defer(() => chrome.close());
  const page = await chrome.newPage();
  page.setDefaultTimeout(CALL_LIMIT_MS);
  await page.goto(`${serverUrl}/healthz`);
  await page.addScriptTag({ content: await pageScript() });
  const open = stack.move();
  const call = async (
    kind: keyof PageCalls,
    method: DescMethod,
    message: JsonValue,
    token: string,
  ): Promise<JsonValue> => {
    const answer = await page.evaluate(
      async ({ kind, service, name, json, token }) => {
        const { calls } = globalThis as unknown as { calls: PageCalls };
        return await calls[kind](service, name, json, token);
      },
      {
        kind,
        service: method.parent.typeName,
        name: method.name,
        json: JSON.stringify(message),
        token,
      },
    );
    return JSON.parse(answer) as JsonValue;
  };
  return {
    unary: async (method, message, token) => await call("unary", method, message, token),
    async stream(method, message, token) {
      const first = call("first", method, message, token);
      // Whoever waits hears of it.
      first.catch(() => undefined);
      return {
        first: () => first,
        async [Symbol.asyncDispose]() {
          // Closed with the page.
        },
      };
    },
    async [Symbol.asyncDispose]() {
      await open.disposeAsync();
    },
  };
}

/** The page's script in one piece. */
async function pageScript(): Promise<string> {
  const bundle = await rolldown({
    input: join(import.meta.dirname, "browser-page.ts"),
    platform: "browser",
  });
  const { output } = await bundle.generate({ format: "iife" });
  return output[0].code;
}
