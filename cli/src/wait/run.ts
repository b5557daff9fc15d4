import { connectServer } from "../client.ts";
import type { Host } from "../host.ts";
import { createOutput } from "../output.ts";
import { parseRevision } from "../revision-argument.ts";
import { serverAccess } from "../server-access.ts";
import { channelOf, type SessionOptions } from "../session.ts";
import { readWaitOptions, type WaitOptions } from "./options.ts";
import { waitForRelease } from "./wait.ts";

/** Runs `rollout wait`. */
export async function runWait(
  options: WaitOptions &
    SessionOptions & { channel?: string | undefined; revision?: string | undefined },
  host: Host,
): Promise<void> {
  const output = createOutput(host, { ...options, lines: true });
  const rule = readWaitOptions(options);
  const revision = options.revision === undefined ? 0n : parseRevision(options.revision);
  const { url, token, context } = await serverAccess(options, host, output);
  const channel = channelOf(options, context);
  await waitForRelease(
    { ...rule, channel, revision },
    { server: connectServer(url, token), host, output },
  );
}
