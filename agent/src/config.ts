import { normalizeServerUrl } from "@nix-ota/proto/auth-statement";
import { sha256, toHex } from "@nix-ota/proto/hash";
import { isId } from "@nix-ota/proto/ids";
import { parsePublicKey } from "@nix-ota/proto/key-file";
import { ANY_SUBSTITUTER, checkSubstituterUrl } from "@nix-ota/proto/substituter-url";
import * as v from "valibot";

import { AgentError } from "./agent-error.ts";
import { CREDENTIAL_NAME } from "./credentials.ts";
import { settingsSchema } from "./settings.ts";
import { DAYS, isZone } from "./window.ts";

const NIXOS_CACHE = "https://cache.nixos.org";
const NIXOS_CACHE_KEY = "cache.nixos.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=";

const id = v.pipe(
  v.string(),
  v.check(
    isId,
    "is not an id: lower-case letters, digits, dots, dashes and underscores, at most 63",
  ),
);
const cacheKey = v.pipe(
  v.string(),
  v.regex(/^[^\s:]+:[A-Za-z0-9+/]+={0,2}$/, "is not a cache key `name:base64`"),
);
const cacheUrl = v.pipe(
  v.string(),
  v.check(
    (url) => checkSubstituterUrl(url, ANY_SUBSTITUTER) === undefined,
    "is not a plain https, s3, http or file URL without query",
  ),
);

const absolutePath = v.pipe(v.string(), v.startsWith("/", "is not an absolute path"));
const credential = v.pipe(
  v.string(),
  v.check(
    (file) => file.startsWith("/") || CREDENTIAL_NAME.test(file),
    "is neither an absolute path nor the name of a credential of the agent's service",
  ),
);

/** Days by their first three letters; default: all. */
const window = v.strictObject({
  days: v.optional(v.pipe(v.array(v.picklist(DAYS)), v.minLength(1, "names no day")), [...DAYS]),
  from: v.pipe(
    v.string(),
    v.regex(/^([01]\d|2[0-3]):[0-5]\d$/, "is not a time HH:MM, 00:00 to 23:59"),
  ),
  to: v.pipe(
    v.string(),
    v.regex(/^(([01]\d|2[0-3]):[0-5]\d|24:00)$/, "is not a time HH:MM, 00:00 to 24:00"),
  ),
  zone: v.optional(
    v.pipe(v.string(), v.check(isZone, "is not a time zone such as Europe/Oslo")),
    "UTC",
  ),
});

/** The file's keys: the names of the NixOS options. Unknown ones are errors, so that a misspelt limit is seen. */
const schema = v.strictObject({
  server: v.pipe(
    v.string(),
    v.check((url) => normalizeServerUrl(url) !== undefined, "is not an http or https URL"),
  ),
  channel: id,
  /** Null: made from the machine id, so that one image serves many devices. */
  deviceId: v.optional(v.nullable(id), null),
  /** File with the id, for one image on devices that were given ids. Null: none; an id in the configuration wins. */
  deviceIdFile: v.optional(v.nullable(absolutePath), null),
  publicKey: v.optional(v.nullable(v.string()), null),
  publicKeys: v.optional(v.array(v.string()), []),
  threshold: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(16)), 1),
  cacheUrl: v.optional(v.nullable(cacheUrl), null),
  cachePublicKey: v.optional(v.nullable(cacheKey), null),
  extraSubstituters: v.optional(v.array(cacheUrl), [NIXOS_CACHE]),
  extraCachePublicKeys: v.optional(v.array(cacheKey), [NIXOS_CACHE_KEY]),
  /** Null: a manifest may name any cache. */
  allowedSubstituters: v.optional(v.nullable(v.array(cacheUrl)), null),
  healthCmd: v.optional(v.nullable(v.string()), null),
  target: v.optional(v.nullable(id), null),
  fleet: v.optional(v.nullable(id), null),
  /** Seconds; null: as the server directs. */
  pollInterval: v.optional(
    v.nullable(v.pipe(v.number(), v.minValue(0.01), v.maxValue(86_400))),
    null,
  ),
  /**
   * How the device hears from the server while `run` goes on. `auto`: over a stream where the path
   * carries HTTP/2, else over a watch, else by polls alone.
   */
  transport: v.optional(v.picklist(["auto", "stream", "watch", "poll"]), "auto"),
  /** PEM file of the authorities that may vouch for the server, or the credential's name. Null: the well-known ones. */
  serverCaFile: v.optional(v.nullable(credential), null),
  /** File with the token that a device without enrolment presents, or the credential's name. Null: none. */
  enrolmentTokenFile: v.optional(v.nullable(credential), null),
  activation: v.optional(v.picklist(["prove-first", "switch"]), "prove-first"),
  /**
   * What runs beside the agent runs as transient systemd units or as processes. `auto`: units where
   * systemd is process 1.
   */
  supervisor: v.optional(v.picklist(["auto", "systemd", "processes"]), "auto"),
  /**
   * When a closure may be taken into use and the device be rebooted; empty: always. What began in a
   * window goes on to its end. Closures are fetched at any time.
   */
  windows: v.optional(v.pipe(v.array(window), v.maxLength(64, "are over 64")), []),
  /** While one of these files exists, nothing is taken into use. In /run, a reboot clears them. */
  inhibitFiles: v.optional(v.pipe(v.array(absolutePath), v.maxLength(16, "are over 16")), []),
  /**
   * Whether the device reboots by itself where an update needs it. `never`: a person does. `window`:
   * inside its windows. `immediate`: as soon as the update has come so far.
   */
  rebootPolicy: v.optional(v.picklist(["never", "window", "immediate"]), "never"),
  /** Lets it do so as well where the boot loader cannot fall back by itself when a kernel does not boot. */
  allowUnguardedReboot: v.optional(v.boolean(), false),
  allowInsecureServer: v.optional(v.boolean(), false),
  allowInsecureCache: v.optional(v.boolean(), false),
  /** Most bytes a second that a copy takes from the network, 4096 and over. Null: as many as it gets. */
  bandwidthLimit: v.optional(v.nullable(v.pipe(v.number(), v.integer(), v.minValue(4096))), null),
  /**
   * Most compressed bytes of closures in so many hours (1 to 8784, a day by itself), for metered
   * links. Over it a copy stops, and goes on in the next period. Null: no such bound.
   */
  byteBudget: v.optional(
    v.nullable(
      v.strictObject({
        bytes: v.pipe(v.number(), v.integer(), v.minValue(4096)),
        hours: v.optional(v.pipe(v.number(), v.minValue(1), v.maxValue(8784)), 24),
      }),
    ),
    null,
  ),
  /** Bytes of /nix that an update must leave free. */
  minFreeBytes: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0)), 512 * 1024 * 1024),
  /**
   * Generations of the system profile made by the agent that stay, the newest, 1 to 1000. What runs,
   * booted, is committed or is the way back stays as well, and so does all that a person made.
   */
  keepGenerations: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(1000)), 5),
  closurePinning: v.optional(v.picklist(["enforce", "warn"]), "enforce"),
  stateDir: v.optional(absolutePath, "/var/lib/nix-ota"),
  settings: v.optional(settingsSchema, {}),
});

type File = v.InferOutput<typeof schema>;

/** The configuration, checked as a whole. */
export interface Config extends Omit<
  File,
  "publicKey" | "publicKeys" | "deviceId" | "target" | "fleet" | "healthCmd"
> {
  /** Normal form, as signed in proofs of identity. */
  readonly server: string;
  readonly deviceId: string;
  /** Pinned manifest keys, 1 to 16, sound and distinct. */
  readonly publicKeys: readonly Uint8Array[];
  /** Empty: none. */
  readonly target: string;
  readonly fleet: string;
  readonly healthCmd: string;
  /** Caches of the device itself, in the order to ask them after the manifest's. */
  readonly caches: readonly string[];
  readonly cachePublicKeys: readonly string[];
}

/**
 * Judges a configuration.
 *
 * @param machineId contents of /etc/machine-id, for a device without a configured id.
 * @param textOf contents of a file that the configuration names; undefined: it cannot be read.
 * @throws {AgentError} kind `config` with every error, one a line.
 */
export function parseConfig(
  text: string,
  machineId: string,
  textOf: (path: string) => string | undefined = () => undefined,
): Config {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new AgentError("config", "the configuration is no JSON", cause);
  }
  const parsed = v.safeParse(schema, json);
  if (!parsed.success) {
    const errors = parsed.issues.map(
      (issue) => `${v.getDotPath(issue) ?? "the file"} ${issue.message}`,
    );
    throw new AgentError("config", errors.join("\n"), parsed.issues);
  }
  const file = parsed.output;
  const errors: string[] = [];
  const server = normalizeServerUrl(file.server) ?? file.server;
  if (server.startsWith("http:") && !file.allowInsecureServer) {
    errors.push("server is not encrypted; use https, or set allowInsecureServer");
  }
  const caches = [...(file.cacheUrl === null ? [] : [file.cacheUrl]), ...file.extraSubstituters];
  for (const url of caches) {
    if (url.startsWith("http:") && !file.allowInsecureCache) {
      errors.push(`cache ${url} is not encrypted; use https, or set allowInsecureCache`);
    }
  }
  const publicKeys = pinnedKeys(file, errors);
  if (file.threshold > publicKeys.length && publicKeys.length > 0) {
    errors.push(
      `threshold is ${file.threshold}, but ${publicKeys.length} distinct public keys are given`,
    );
  }
  const cachePublicKeys = [
    ...(file.cachePublicKey === null ? [] : [file.cachePublicKey]),
    ...file.extraCachePublicKeys,
  ];
  if (cachePublicKeys.length === 0) errors.push("no cache key is trusted; set cachePublicKey");
  const deviceId = file.deviceId ?? idFrom(file.deviceIdFile, machineId, textOf, errors);
  if (errors.length > 0 || deviceId === undefined)
    throw new AgentError("config", errors.join("\n"), undefined);
  return {
    ...file,
    server,
    deviceId,
    publicKeys,
    target: file.target ?? "",
    fleet: file.fleet ?? "",
    healthCmd: file.healthCmd ?? "",
    caches,
    cachePublicKeys,
  };
}

function pinnedKeys(
  file: Pick<File, "publicKey" | "publicKeys">,
  errors: string[],
): readonly Uint8Array[] {
  const texts = [...(file.publicKey === null ? [] : [file.publicKey]), ...file.publicKeys];
  if (texts.length === 0) errors.push("no manifest key is pinned; set publicKey");
  if (texts.length > 16) errors.push("publicKeys has over 16 keys");
  const keys = new Map<string, Uint8Array>();
  for (const text of texts) {
    const key = parsePublicKey(text);
    if (typeof key === "string") errors.push(`publicKey ${text}: ${key}`);
    else keys.set(toHex(key.publicKey), key.publicKey);
  }
  return [...keys.values()];
}

/** The id of a device whose configuration serves others as well; undefined: it has none, an error says why. */
function idFrom(
  idFile: string | null,
  machineId: string,
  textOf: (path: string) => string | undefined,
  errors: string[],
): string | undefined {
  if (idFile === null) {
    const made = idOfMachine(machineId);
    if (made === undefined)
      errors.push("deviceId is not set and the machine has no id to make one from");
    return made;
  }
  const named = textOf(idFile)?.trim();
  if (named !== undefined && isId(named)) return named;
  errors.push(
    named === undefined
      ? `deviceIdFile ${idFile} cannot be read; write the device's id into it`
      : `deviceIdFile ${idFile} holds no id: lower-case letters, digits, dots, dashes and underscores, at most 63`,
  );
  return undefined;
}

/** Hashed with the program's name, so that the machine id itself, which others rely on, stays at home. */
function idOfMachine(machineId: string): string | undefined {
  const text = machineId.trim();
  if (!/^[0-9a-f]{32}$/.test(text)) return undefined;
  return `device-${toHex(sha256(new TextEncoder().encode(`nix-ota device ${text}`))).slice(0, 24)}`;
}
