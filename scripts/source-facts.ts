import { posix } from "node:path";

import type { Node } from "typescript";
import ts from "typescript";

/** What a file reaches for beside its imports, as far as the layers care. */
export type Reach = "environment" | "clock" | "processes";

/** What a source file depends on. */
export type SourceFacts = {
  /** Files of this repository, as paths from its root. */
  files: string[];
  /** Packages and modules of Node as they are written, with their sub-paths. */
  packages: string[];
  reaches: Reach[];
};

const OWN_PACKAGE = /^@nix-ota\/([^/]+)(?:\/(.+))?$/;

const REACHING_MODULES: readonly (readonly [RegExp, Reach])[] = [
  [/^node:(child_process|cluster|worker_threads)$/, "processes"],
  [/^node:timers/, "clock"],
  [/^node:process$/, "environment"],
];

const REACHING_NAMES = new Map<string, Reach>([
  ["process.env", "environment"],
  ["process.hrtime", "clock"],
  ["Date.now", "clock"],
  ["performance.now", "clock"],
  ["AbortSignal.timeout", "clock"],
  ["setTimeout", "clock"],
  ["setInterval", "clock"],
  ["setImmediate", "clock"],
]);

/**
 * Reads what a TypeScript file depends on: static and dynamic imports, re-exports, imports of
 * types, and the globals that the layers restrict.
 *
 * @param path of the file, from the root of the repository
 * @param text of the file
 */
export function sourceFacts(path: string, text: string): SourceFacts {
  const files = new Set<string>();
  const packages = new Set<string>();
  const reaches = new Set(reachesOf(ts.createSourceFile(path, text, ts.ScriptTarget.Latest)));
  for (const { fileName } of ts.preProcessFile(text, true, true).importedFiles) {
    const file = ownFile(path, fileName);
    if (file === undefined) packages.add(fileName);
    else files.add(file);
    for (const [module, reach] of REACHING_MODULES) if (module.test(fileName)) reaches.add(reach);
  }
  return { files: [...files], packages: [...packages], reaches: [...reaches] };
}

/** The file of this repository that a specifier means, by the `exports` of its packages. */
function ownFile(from: string, specifier: string): string | undefined {
  if (specifier.startsWith(".")) return posix.join(posix.dirname(from), specifier);
  const own = OWN_PACKAGE.exec(specifier);
  if (own === null) return undefined;
  const [, name, module = "index"] = own;
  const folder = /^(nixota|grpc)\//.test(module) ? "gen" : "src";
  return `${name}/${folder}/${module}.ts`;
}

function reachesOf(node: Node): Reach[] {
  const own = reachOf(node);
  const inner: Reach[] = [];
  ts.forEachChild(node, (child) => {
    inner.push(...reachesOf(child));
  });
  return own === undefined ? inner : [own, ...inner];
}

function reachOf(node: Node): Reach | undefined {
  if (ts.isIdentifier(node)) return REACHING_NAMES.get(node.text);
  if (ts.isPropertyAccessExpression(node) && ts.isIdentifier(node.expression))
    return REACHING_NAMES.get(`${node.expression.text}.${node.name.text}`);
  // `new Date(x)` is arithmetic; without an argument it reads the clock.
  if (ts.isNewExpression(node) && ts.isIdentifier(node.expression))
    return node.expression.text === "Date" && !node.arguments?.length ? "clock" : undefined;
  return undefined;
}
