// Runs in the page that `browser.ts` opens: the generated client of a browser.
import {
  createRegistry,
  type DescMethod,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  fromJsonString,
  toJsonString,
} from "@bufbuild/protobuf";
import { createConnectTransport } from "@connectrpc/connect-web";
import { file_nixota_v1_access_service } from "@nix-ota/proto/nixota/v1/access_service_pb";
import { file_nixota_v1_channel_service } from "@nix-ota/proto/nixota/v1/channel_service_pb";
import { file_nixota_v1_checkin_service } from "@nix-ota/proto/nixota/v1/checkin_service_pb";
import { file_nixota_v1_publish_service } from "@nix-ota/proto/nixota/v1/publish_service_pb";

import type { PageCalls } from "./browser.ts";

const registry = createRegistry(
  file_nixota_v1_access_service,
  file_nixota_v1_channel_service,
  file_nixota_v1_checkin_service,
  file_nixota_v1_publish_service,
);
// The page's own address, in a program whose types are those of Node.js.
const { location } = globalThis as unknown as { location: { origin: string } };
const transport = createConnectTransport({ baseUrl: location.origin, useBinaryFormat: true });

const calls: PageCalls = {
  async unary(service, name, json, token) {
    const method = methodOf(service, name) as DescMethodUnary;
    const message = fromJsonString(method.input, json);
    const answer = await transport.unary(method, undefined, undefined, bearer(token), message);
    return toJsonString(method.output, answer.message);
  },
  async first(service, name, json, token) {
    const method = methodOf(service, name) as DescMethodServerStreaming;
    const message = fromJsonString(method.input, json);
    const input = (async function* () {
      yield message;
    })();
    const answer = await transport.stream(method, undefined, undefined, bearer(token), input);
    for await (const one of answer.message) return toJsonString(method.output, one);
    throw new Error(`${name} ended without a message`);
  },
};

function methodOf(service: string, name: string): DescMethod {
  const method = registry.getService(service)?.methods.find((one) => one.name === name);
  if (method === undefined) throw new Error(`there is no ${service}/${name}`);
  return method;
}

function bearer(token: string) {
  return { authorization: `Bearer ${token}` };
}

Object.assign(globalThis, { calls });
