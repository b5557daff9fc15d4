/** What the audit says of a state; null where it says nothing, text where it is no JSON. */
export function parsedJson(json: string): unknown {
  if (json === "") return null;
  try {
    return JSON.parse(json);
  } catch {
    // A later server may write something else; the text is what there is to show.
    return json;
  }
}

/**
 * `paused: false → true`: the fields that differ. Where the two have none in common, as when a call
 * is written down that changed many things, those of the later one that say something.
 */
export function changeText(beforeJson: string, afterJson: string): string {
  const before = fieldsOf(parsedJson(beforeJson));
  const after = fieldsOf(parsedJson(afterJson));
  const isCompared = [...after.keys()].some((key) => before.has(key));
  return [...after]
    .flatMap(([key, is]) => {
      const was = before.get(key);
      if (was === is || (was === undefined && is === "")) return [];
      return [
        isCompared && was !== undefined
          ? `${key}: ${was || "none"} → ${is || "none"}`
          : `${key}: ${is}`,
      ];
    })
    .join(", ");
}

/** Fields with their values as people read them; those of an object within count as its own. */
function fieldsOf(value: unknown): Map<string, string> {
  if (value === null) return new Map();
  if (typeof value !== "object") return new Map([["value", scalarText(value)]]);
  return new Map(
    Object.entries(value).flatMap(([key, field]: [string, unknown]): [string, string][] =>
      isObject(field) ? [...fieldsOf(field)] : [[key, valueText(field)]],
    ),
  );
}

function valueText(value: unknown): string {
  if (value === null) return "";
  if (!Array.isArray(value)) return scalarText(value);
  // What has fields of its own is for --json.
  return value.some(isObject) ? `${value.length}` : value.join(" ");
}

function scalarText(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
