// npm run docs:commands: writes the reference of all commands into cli/README.md.
import { readFileSync, writeFileSync } from "node:fs";

import { commandsReference } from "./commands-reference.ts";
import { withBlock } from "./document-block.ts";

const DOCUMENT = "cli/README.md";

const document = readFileSync(DOCUMENT, "utf8");
writeFileSync(DOCUMENT, withBlock(document, "commands", commandsReference()));
