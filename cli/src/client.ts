import { createClient, type Client, type Interceptor, type Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { AccessService } from "@nix-ota/proto/nixota/v1/access_service_pb";
import { ChannelService } from "@nix-ota/proto/nixota/v1/channel_service_pb";
import { CheckinService } from "@nix-ota/proto/nixota/v1/checkin_service_pb";
import { PublishService } from "@nix-ota/proto/nixota/v1/publish_service_pb";

/** The server's services as an operator calls them. */
export interface Server {
  /** For messages. */
  readonly url: string;
  readonly publish: Client<typeof PublishService>;
  readonly channel: Client<typeof ChannelService>;
  readonly checkin: Client<typeof CheckinService>;
  readonly access: Client<typeof AccessService>;
}

/** For each call. A publish that waits for a slow disk is retried, not lost. */
const CALL_MS = 30_000;

/** Answers hold at most a listing of 4 MiB, or 200 releases. */
const ANSWER_LIMIT_BYTES = 16 * 1024 * 1024;

/** Connects when the first call is made. `token` is sent with each as a bearer token. */
export function connectServer(url: string, token: string | undefined): Server {
  const transport = createConnectTransport({
    baseUrl: url,
    // Works through every proxy; nothing here needs streams in both directions.
    httpVersion: "1.1",
    interceptors: token === undefined ? [] : [bearer(token)],
    defaultTimeoutMs: CALL_MS,
    readMaxBytes: ANSWER_LIMIT_BYTES,
  });
  return serverOver(transport, url);
}

/** The services over any transport. */
export function serverOver(transport: Transport, url: string): Server {
  return {
    url,
    publish: createClient(PublishService, transport),
    channel: createClient(ChannelService, transport),
    checkin: createClient(CheckinService, transport),
    access: createClient(AccessService, transport),
  };
}

function bearer(token: string): Interceptor {
  return (next) => async (request) => {
    request.header.set("Authorization", `Bearer ${token}`);
    return next(request);
  };
}
