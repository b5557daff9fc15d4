import type { Rung } from "@nix-ota/agent/ladder";

import type { ProxySetUp } from "./proxy.ts";

/** A proxy between device and server, and what `transport = auto` makes of it. */
export type ProxyMode = {
  readonly name: string;
  readonly setUp: ProxySetUp;
  /** Rungs that a device leaves, with the ending that was one too many. */
  readonly left: readonly string[];
  /** The rung it stays on. */
  readonly rung: Rung;
};

const nginx = (listen: string, ...location: string[]): ProxySetUp => ({
  program: "nginx",
  listen,
  location,
});
const haproxy = (bind: string, server: string, ...defaults: string[]): ProxySetUp => ({
  program: "haproxy",
  bind,
  server,
  defaults,
});

const BOTH = "alpn h2,http/1.1";
const OVER_HTTP1 = ["proxy_pass http://UPSTREAM", "proxy_http_version 1.1"];

/** As measured with Debian's nginx 1.22 and HAProxy 2.6; the agent's README tells the same. */
export const PROXY_MODES: readonly ProxyMode[] = [
  {
    name: "nginx with HTTP/2 on both sides",
    setUp: nginx("http2", "grpc_pass grpc://UPSTREAM", "client_body_timeout 1h"),
    left: [],
    rung: "stream",
  },
  {
    name: "nginx with HTTP/2 to devices alone",
    setUp: nginx("http2", ...OVER_HTTP1, "proxy_request_buffering off"),
    left: ["stream: unsupported"],
    rung: "watch",
  },
  {
    name: "nginx that collects requests before it passes them on, as it does by itself",
    setUp: nginx("http2", ...OVER_HTTP1),
    left: ["stream: mute"],
    rung: "watch",
  },
  {
    name: "nginx with HTTP/1.1 alone",
    setUp: nginx("", ...OVER_HTTP1),
    left: ["stream: unsupported"],
    rung: "watch",
  },
  {
    name: "nginx that keeps answers back",
    setUp: nginx("", ...OVER_HTTP1, "proxy_ignore_headers X-Accel-Buffering"),
    left: ["stream: unsupported", "watch: mute"],
    rung: "poll",
  },
  {
    name: "nginx that cuts what is quiet for 3 s",
    setUp: nginx("http2", "grpc_pass grpc://UPSTREAM", "grpc_read_timeout 3s"),
    left: ["stream: broken", "watch: broken"],
    rung: "poll",
  },
  {
    name: "nginx that wants a request whole within 3 s",
    setUp: nginx("http2", "grpc_pass grpc://UPSTREAM", "client_body_timeout 3s"),
    left: ["stream: broken"],
    rung: "watch",
  },
  {
    name: "HAProxy with HTTP/2 on both sides",
    setUp: haproxy(BOTH, "proto h2"),
    left: [],
    rung: "stream",
  },
  {
    name: "HAProxy with HTTP/2 to devices alone",
    setUp: haproxy(BOTH, ""),
    left: ["stream: unsupported"],
    rung: "watch",
  },
  {
    name: "HAProxy with HTTP/1.1 alone",
    setUp: haproxy("alpn http/1.1", ""),
    left: ["stream: unsupported"],
    rung: "watch",
  },
  {
    name: "HAProxy that collects requests",
    setUp: haproxy(BOTH, "proto h2", "option http-buffer-request"),
    left: ["stream: mute"],
    rung: "watch",
  },
  {
    name: "HAProxy that cuts what is quiet for 3 s",
    setUp: haproxy(BOTH, "proto h2", "timeout server 3s"),
    left: ["stream: broken", "watch: broken"],
    rung: "poll",
  },
];
