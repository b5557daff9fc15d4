import type { Output } from "../output.ts";
import type { Mood } from "./standing.ts";

const COLOUR = { good: "green", busy: "cyan", bad: "red" } as const;

/** Colours text by how worried a person should be. */
export function paintMood({ text, mood }: { text: string; mood: Mood }, output: Output): string {
  return mood === "plain" ? text : output.paint(COLOUR[mood], text);
}
