import { Command, Option, type CommandUnknownOpts } from "@commander-js/extra-typings";

import { auditCommand } from "./commands/audit.ts";
import { bundleCommand } from "./commands/bundle.ts";
import { channelCommand } from "./commands/channel.ts";
import { completeCommand } from "./commands/complete.ts";
import { contextCommand } from "./commands/context.ts";
import { deviceCommand } from "./commands/device.ts";
import { doctorCommand } from "./commands/doctor.ts";
import { enrolTokenCommand } from "./commands/enrol-token.ts";
import { inspectCommand } from "./commands/inspect.ts";
import { keygenCommand } from "./commands/keygen.ts";
import { prepareCommand } from "./commands/prepare.ts";
import { publishCommand } from "./commands/publish.ts";
import { releaseCommand } from "./commands/release.ts";
import { rollbackCommand } from "./commands/rollback.ts";
import { rolloutCommand } from "./commands/rollout.ts";
import { signCommand } from "./commands/sign.ts";
import { tokenCommand } from "./commands/token.ts";
import { verifyCommand } from "./commands/verify.ts";
import { whoamiCommand } from "./commands/whoami.ts";
import type { Host } from "./host.ts";
import { VERSION } from "./version.ts";

const EXIT_CODES = `
Exit codes: 0 done, 1 failed, 2 wrong command line, 3 refused by the server; of
waiting for a rollout 4 failed or halted, 5 devices outstanding when the time is
over.
Environment: NIX_OTA_SERVER, NIX_OTA_TOKEN, NIX_OTA_CONTEXT, NO_COLOR.`;

/** All commands. What a command does is loaded when it runs, so that help is quick. */
export function createProgram(host: Host): CommandUnknownOpts {
  const program = new Command("nix-ota")
    .description("over-the-air updates for fleets of NixOS devices")
    .version(VERSION)
    .addCommand(keygenCommand(host))
    .addCommand(publishCommand(host))
    .addCommand(prepareCommand(host))
    .addCommand(signCommand(host))
    .addCommand(rollbackCommand(host))
    .addCommand(verifyCommand(host))
    .addCommand(inspectCommand(host))
    .addCommand(bundleCommand(host))
    .addCommand(releaseCommand(host))
    .addCommand(rolloutCommand(host))
    .addCommand(channelCommand(host))
    .addCommand(deviceCommand(host))
    .addCommand(tokenCommand(host))
    .addCommand(enrolTokenCommand(host))
    .addCommand(auditCommand(host))
    .addCommand(contextCommand(host))
    .addCommand(whoamiCommand(host))
    .addCommand(doctorCommand(host))
    .addCommand(completeCommand(host))
    .addHelpText("after", EXIT_CODES);
  adopt(program, host);
  return program;
}

/** Commands that are added do not inherit: each is told where to write and not to end the process. */
function adopt(command: CommandUnknownOpts, host: Host): void {
  command
    .exitOverride()
    .addHelpOption(new Option("-h, --help", "show this").helpGroup("Common options:"))
    .configureHelp({
      optionDescription: describeOption,
      // Their arguments are in their own help; here they would leave no room for what they do.
      subcommandTerm: (child) => child.name(),
    })
    .configureOutput({
      writeOut: (text) => host.stdout.write(text),
      writeErr: (text) => host.stderr.write(text),
      outputError: (text, write) =>
        write(`${text.trim().replaceAll("\n", " ").replace(/\.$/u, "")}${hint(command)}\n`),
      getOutHasColors: () => host.stdout.isTerminal,
      getErrHasColors: () => host.stderr.isTerminal,
    });
  for (const child of command.commands) adopt(child, host);
}

/** Says what is required, and of defaults only those that tell something. */
function describeOption(option: Option): string {
  if (option.mandatory) return `${option.description} (required)`;
  const { defaultValue } = option;
  const telling = typeof defaultValue === "string" && defaultValue !== "";
  return telling ? `${option.description} (default: ${defaultValue})` : option.description;
}

function hint(command: CommandUnknownOpts): string {
  const names: string[] = [];
  for (let at: CommandUnknownOpts | null = command; at !== null; at = at.parent)
    names.unshift(at.name());
  return `; see ${names.join(" ")} --help`;
}
