import type { Plugin } from "rolldown";

const PREFIX = "\0builtin:";

/**
 * For bundles: of node's own modules only what the program uses.
 *
 * To import a builtin module reads every one of its exports, and some are made at the first look:
 * node:http holds a WebSocket client that costs as much time as the start of node, and a third of
 * its memory. A bundle's unused exports are dropped instead, so that nobody looks at them.
 */
export function leanBuiltins(): Plugin {
  return {
    name: "lean-builtins",
    resolveId: (id) => (id.startsWith("node:") ? `${PREFIX}${id}` : undefined),
    load(id) {
      if (!id.startsWith(PREFIX)) return undefined;
      const name = id.slice(PREFIX.length);
      const names = Object.keys(process.getBuiltinModule(name) ?? {}).filter(
        (key) => key !== "default" && /^[A-Za-z_$][\w$]*$/.test(key),
      );
      return [
        `const builtin = process.getBuiltinModule(${JSON.stringify(name)});`,
        "const read = (key) => builtin[key];",
        "export default builtin;",
        ...names.map((key) => `const _${key} = /* @__PURE__ */ read(${JSON.stringify(key)});`),
        `export { ${names.map((key) => `_${key} as ${key}`).join(", ")} };`,
      ].join("\n");
    },
  };
}
