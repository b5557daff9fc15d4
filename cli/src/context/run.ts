import { resolve } from "node:path";

import { CliError } from "../cli-error.ts";
import type { Host } from "../host.ts";
import { parseName } from "../name-argument.ts";
import { createOutput, type Output } from "../output.ts";
import { fieldsText } from "../print-fields.ts";
import { parseServerUrl } from "../server-access.ts";
import { renderTable } from "../table.ts";
import { safeText } from "../terminal-text.ts";
import { chosenContext, contextOf } from "./chosen-context.ts";
import type { Config, Context } from "./config-document.ts";
import { readConfigFile, writeConfigFile } from "./config-file.ts";

interface PrintOptions {
  json: boolean;
  quiet: boolean;
}

/** What `context set` was given; empty texts take a value away. */
export interface SetOptions extends PrintOptions {
  server?: string | undefined;
  tokenFile?: string | undefined;
  channel?: string | undefined;
  substituter: string[];
  key: string[];
}

/** Prints all contexts. */
export async function listContexts(options: PrintOptions, host: Host): Promise<void> {
  const output = createOutput(host, options);
  const { file, config } = await readConfigFile(host.env);
  const chosen = config.contexts.size === 0 ? undefined : (await chosenContext({}, host))?.name;
  const contexts = [...config.contexts].map(([name, context]) =>
    contextDocument(name, context, config.defaultContext),
  );
  output.result({ file: file ?? null, chosen: chosen ?? null, contexts }, () =>
    contexts.length === 0
      ? "no contexts; nix-ota context set <name> --server <url> --token-file <file> makes the first"
      : renderTable(
          [{ title: "" }, { title: "CONTEXT" }, { title: "SERVER" }, { title: "CHANNEL" }],
          contexts.map(({ name, server, channel }) => [
            name === chosen ? "*" : "",
            name,
            safeText(server) || "–",
            safeText(channel) || "–",
          ]),
          output.tableStyle(),
        ),
  );
}

/** Prints one context: the named one, else the one that commands go by. */
export async function showContext(
  name: string | undefined,
  options: PrintOptions,
  host: Host,
): Promise<void> {
  const output = createOutput(host, options);
  const { config } = await readConfigFile(host.env);
  const context = await chosenContext({ context: name }, host);
  if (context === undefined)
    throw new CliError("usage", "no context is chosen; name one, or choose it with context use");
  const document = contextDocument(context.name, context, config.defaultContext);
  output.result(document, () => contextText(document, output));
}

/** Makes a context the one that commands go by when none is named. */
export async function useContext(name: string, options: PrintOptions, host: Host): Promise<void> {
  await change(host, createOutput(host, options), name, (config) => {
    contextOf(config, name);
    return { config: { ...config, defaultContext: name }, did: `${name} is the default context` };
  });
}

/** Makes a context or changes what is given of it. The first one becomes the default. */
export async function setContext(name: string, options: SetOptions, host: Host): Promise<void> {
  parseName("context", name);
  const values = contextValues(options);
  await change(host, createOutput(host, options), name, (config) => {
    const before = config.contexts.get(name) ?? {};
    const contexts = new Map(config.contexts).set(name, withValues(before, values));
    const defaultContext = config.contexts.size === 0 ? name : config.defaultContext;
    return { config: { defaultContext, contexts }, did: `context ${name} is set` };
  });
}

/** Takes a context away. */
export async function removeContext(
  name: string,
  options: PrintOptions,
  host: Host,
): Promise<void> {
  await change(host, createOutput(host, options), name, (config) => {
    contextOf(config, name);
    const contexts = new Map(config.contexts);
    contexts.delete(name);
    const defaultContext = config.defaultContext === name ? undefined : config.defaultContext;
    return { config: { defaultContext, contexts }, did: `context ${name} is gone` };
  });
}

async function change(
  host: Host,
  output: Output,
  name: string,
  decide: (config: Config) => { config: Config; did: string },
): Promise<void> {
  const { file, config: before, hasComments } = await readConfigFile(host.env);
  if (file === undefined)
    throw new CliError("file", "there is no home folder for a configuration; set XDG_CONFIG_HOME");
  const { config, did } = decide(before);
  if (hasComments) output.warn(`the comments in ${file} are lost by this change`);
  await writeConfigFile(file, config);
  const document = { file, context: name, defaultContext: config.defaultContext ?? null };
  output.result(document, () => did);
}

type Values = { [Field in keyof Context]: Context[Field] | "" };

function contextValues(options: SetOptions): Values {
  const { server, tokenFile, channel } = options;
  if (server && parseServerUrl(server) === undefined)
    throw new CliError(
      "usage",
      `--server ${JSON.stringify(server)} is no server URL; write it as https://ota.example.com`,
    );
  if (channel) parseName("--channel", channel);
  const listed = (values: readonly string[]) =>
    values.length === 0 ? undefined : values.filter((value) => value !== "");
  const keys = listed(options.key)?.map((file) => resolve(file));
  const substituters = listed(options.substituter);
  return {
    ...(server === undefined ? {} : { server }),
    ...(tokenFile === undefined ? {} : { tokenFile: tokenFile && resolve(tokenFile) }),
    ...(channel === undefined ? {} : { channel }),
    ...(substituters === undefined ? {} : { substituters }),
    ...(keys === undefined ? {} : { keys }),
  };
}

function withValues(before: Context, values: Values): Context {
  const entries = Object.entries({ ...before, ...values });
  return Object.fromEntries(entries.filter(([, value]) => value.length > 0));
}

function contextDocument(name: string, context: Context, defaultContext: string | undefined) {
  return {
    name,
    default: name === defaultContext,
    server: context.server ?? "",
    tokenFile: context.tokenFile ?? "",
    channel: context.channel ?? "",
    substituters: context.substituters ?? [],
    keys: context.keys ?? [],
  };
}

function contextText(document: ReturnType<typeof contextDocument>, output: Output): string {
  const fields: [string, string][] = [
    ["context", document.name],
    ["default", document.default ? "yes" : "no"],
    ["server", document.server],
    ["token file", document.tokenFile],
    ["channel", document.channel],
    ["substituters", document.substituters.join(", ")],
    ["keys", document.keys.join(", ")],
  ];
  return fieldsText(
    fields.map(([name, value]) => [name, safeText(value)]),
    output,
  );
}
