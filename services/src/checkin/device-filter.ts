import { isId } from "@nix-ota/proto/ids";

/** Which devices a list holds; undefined: any. */
export interface DeviceFilter {
  readonly channel: string | undefined;
}

/** Reads a filter's terms, or returns the sentence that says which is wrong. */
export function parseDeviceFilter(text: string): DeviceFilter | string {
  let channel: string | undefined;
  for (const term of text.split(/ +/).filter((one) => one !== "")) {
    const [, name] = /^channel:(.*)$/.exec(term) ?? [];
    if (name === undefined || !isId(name) || channel !== undefined) {
      return "a filter is one term `channel:<name>`, or empty";
    }
    channel = name;
  }
  return { channel };
}
