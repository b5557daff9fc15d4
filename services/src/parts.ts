import { AccessService } from "@nix-ota/proto/nixota/v1/access_service_pb";
import { ChannelService } from "@nix-ota/proto/nixota/v1/channel_service_pb";
import { CheckinService } from "@nix-ota/proto/nixota/v1/checkin_service_pb";
import { PublishService } from "@nix-ota/proto/nixota/v1/publish_service_pb";

/** The parts of the server that can run alone; each is one service of the contract. */
export const PARTS = ["publish", "channel", "checkin", "access"] as const;

export type Part = (typeof PARTS)[number];

/** Which service of the contract each part is. */
export const SERVICE_OF_PART = {
  publish: PublishService,
  channel: ChannelService,
  checkin: CheckinService,
  access: AccessService,
} as const;

/** Reads the names of some parts, with commas between them; undefined unless each is one, once. */
export function readParts(text: string): readonly Part[] | undefined {
  const names = text.split(",").map((name) => name.trim());
  if (new Set(names).size !== names.length) return undefined;
  if (names.some((name) => !PARTS.some((part) => part === name))) return undefined;
  return PARTS.filter((part) => names.includes(part));
}

/** The part that a service is; undefined: none, it runs everywhere. */
export function partOf(typeName: string): Part | undefined {
  return PARTS.find((part) => SERVICE_OF_PART[part].typeName === typeName);
}

/** The sentence for a caller of a part that does not run here. */
export function elsewhere(part: Part): string {
  return `the part ${part} does not run here; ask a server that runs it, or start this one with --services ${part}`;
}
