import { countOf } from "../amounts.ts";
import { CliError } from "../cli-error.ts";
import { parseCount } from "../count-argument.ts";
import type { Host } from "../host.ts";
import { readPages } from "../pages.ts";
import { handOverSecret } from "../secret-result.ts";
import { answerOf, given } from "../server-error.ts";
import { openSession, type SessionOptions } from "../session.ts";
import { renderTable } from "../table.ts";
import { safeText } from "../terminal-text.ts";
import { expiry, expiryText, whenOrNever } from "./expiry.ts";
import { tokenDocument } from "./token-document.ts";
import { noteSuspended, paintState } from "./token-state-text.ts";

/** Most that the server gives at once. */
const PAGE_SIZE = 200;

const SCOPE = /^(?:read|admin|(?:publish|operate):(?:\*|[a-z0-9][a-z0-9._-]{0,62}))$/u;

interface CreateOptions extends SessionOptions {
  scope: string[];
  expires?: string | undefined;
  out?: string | undefined;
}

/** Makes a token and hands its secret over once. */
export async function createToken(name: string, options: CreateOptions, host: Host): Promise<void> {
  if (name === "" || name.length > 64)
    throw new CliError("usage", "a token's name has 1 to 64 characters");
  if (options.scope.length === 0)
    throw new CliError("usage", "no scope is named; give --scope, e.g. --scope publish:prod");
  for (const scope of options.scope)
    if (!SCOPE.test(scope))
      throw new CliError(
        "usage",
        `--scope ${JSON.stringify(scope)} is none; there are read, admin, publish:<channel> and operate:<channel>, with * for any channel`,
      );
  const request = { name, scopes: options.scope, ...expiry(options.expires, host.now()) };
  const { server, output } = await openSession(options, host);
  await handOverSecret(options.out, output, async () => {
    const { token, secret } = await answerOf(server.access.createToken(request), server.url);
    const made = given(token, server.url);
    const scopes = safeText(made.scopes.join(", "));
    return {
      secret,
      document: tokenDocument(made, host.now()),
      made: `token ${safeText(made.id)} (${safeText(made.name)}): ${scopes}; ${expiryText(made)}`,
    };
  });
}

/** Prints the tokens, without their secrets. */
export async function listTokens(
  options: SessionOptions & { limit: string },
  host: Host,
): Promise<void> {
  const limit = parseCount("--limit", options.limit, 1, 100_000);
  const { server, output } = await openSession(options, host);
  const { items, more } = await readPages(limit, async (cursor) => {
    const request = { cursor, pageSize: Math.min(PAGE_SIZE, limit) };
    const answer = await answerOf(server.access.listTokens(request), server.url);
    return { items: answer.tokens, nextCursor: answer.nextCursor };
  });
  const nowMs = host.now();
  const rows = items.map((token) => ({ token, document: tokenDocument(token, nowMs) }));
  const documents = rows.map(({ document }) => document);
  output.result({ tokens: documents, truncated: more }, () =>
    rows.length === 0
      ? "no tokens; nix-ota token create makes one"
      : renderTable(
          ["ID", "NAME", "STATE", "EXPIRES", "LAST USED", "SCOPES"].map((title) => ({ title })),
          rows.map(({ token, document }) => [
            safeText(token.id),
            safeText(token.name),
            paintState(document.state, output),
            whenOrNever(token.expiresAt, nowMs),
            whenOrNever(token.lastUsedAt, nowMs),
            safeText(token.scopes.join(", ")),
          ]),
          output.tableStyle(),
        ),
  );
  noteSuspended(documents, "token", output);
  if (more) output.note(`only the first ${countOf(items.length, "token")}; see more with --limit`);
}

/** Ends a token. */
export async function revokeToken(id: string, options: SessionOptions, host: Host): Promise<void> {
  const { server, output } = await openSession(options, host);
  const answer = await answerOf(server.access.revokeToken({ tokenId: id }), server.url);
  const token = given(answer.token, server.url);
  output.result(
    tokenDocument(token, host.now()),
    () =>
      `token ${safeText(token.id)} (${safeText(token.name)}) is revoked, at every server within 15 s`,
  );
}

/** Lets a token work again that a restored backup suspended. */
export async function confirmToken(id: string, options: SessionOptions, host: Host): Promise<void> {
  const { server, output } = await openSession(options, host);
  const answer = await answerOf(server.access.confirmToken({ tokenId: id }), server.url);
  const token = given(answer.token, server.url);
  const document = tokenDocument(token, host.now());
  output.result(
    document,
    () => `token ${safeText(token.id)} (${safeText(token.name)}) is ${document.state}`,
  );
}
