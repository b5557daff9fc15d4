import { parseConfig } from "./config.ts";
import type { Config } from "./config.ts";

/** The configuration of a device, with as little in it as one may have, and more where a test asks. */
export function testConfig(more: Readonly<Record<string, unknown>> = {}): Config {
  const least = {
    server: "https://ota.example.org",
    channel: "prod",
    deviceId: "fridge",
    publicKey: "6kpsY+KcUgq+9VB7Ey7F+ZVHdq6+vnuSQh7qaRRG0iw=",
  };
  return parseConfig(JSON.stringify({ ...least, ...more }), "");
}
