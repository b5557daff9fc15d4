import { writeFile } from "node:fs/promises";
import { join } from "node:path";

import { type AgentConfig, DEVICE_ID_FILE, STATE_LINK } from "./agent-config.ts";
import type { Device } from "./device.ts";
import type { ProcessHandle, SpawnOptions } from "./process-handle.ts";
import { entryFile } from "./processes.ts";
import type { CommandResult } from "./run-command.ts";

/** Where a device has its agent's configuration. */
export const CONFIG_FILE = "/etc/nix-ota/agent.json";

/** A device with its agent. The agent is started by hand: what the device's systemd would do. */
export class FleetDevice {
  readonly device: Device;
  #config: AgentConfig;
  #agent: ProcessHandle | undefined;

  private constructor(device: Device, config: AgentConfig) {
    this.device = device;
    this.#config = config;
  }

  static async create(device: Device, config: AgentConfig): Promise<FleetDevice> {
    const made = new FleetDevice(device, config);
    await device.run(["mkdir", "-p", "/etc/nix-ota"]);
    await device.run(["tee", DEVICE_ID_FILE], { input: `${device.name}\n` });
    await device.run(["ln", "-sfn", device.stateDir, STATE_LINK]);
    await made.configure({});
    return made;
  }

  get name(): string {
    return this.device.name;
  }

  /** The agent that was started last. */
  get agent(): ProcessHandle | undefined {
    return this.#agent;
  }

  /**
   * Changes keys of the agent's configuration, and groups of its settings; the agent reads them at
   * its next start.
   */
  async configure(changes: AgentConfig): Promise<void> {
    const settings = {
      ...(this.#config["settings"] as AgentConfig | undefined),
      ...(changes["settings"] as AgentConfig | undefined),
    };
    this.#config = { ...this.#config, ...changes, settings };
    await writeFile(
      this.device.hostPath(CONFIG_FILE),
      `${JSON.stringify(this.#config, undefined, 2)}\n`,
    );
  }

  /** `nix-ota-agent run`, beside the test. */
  async startAgent(options: SpawnOptions = {}): Promise<ProcessHandle> {
    this.#agent = await this.device.spawn(agentArgv("run"), options);
    return this.#agent;
  }

  /** Ends the running agent in order, as `systemctl stop` does. */
  async stopAgent(): Promise<void> {
    await this.#agent?.stop();
    this.#agent = undefined;
  }

  /** `nix-ota-agent once` to its end. */
  async once(timeoutMs = 60_000): Promise<CommandResult> {
    return await this.device.exec(agentArgv("once"), { timeoutMs });
  }

  /** `once` by an agent that kills itself at a durable write: see `crashing-agent.ts`. */
  async crash(
    state: string,
    at: "entered" | "leaving",
    timeoutMs = 60_000,
  ): Promise<CommandResult> {
    const argv = crashingArgv("--state", state, "--at", at);
    return await this.device.exec(argv, { timeoutMs });
  }

  /** `once` by an agent that says when it comes to a durable act, beside the test: see there. */
  async startCrashing(...options: string[]): Promise<ProcessHandle> {
    this.#agent = await this.device.spawn(crashingArgv(...options));
    return this.#agent;
  }

  /** Another command of the agent, to its end. */
  async command(name: string, ...more: string[]): Promise<CommandResult> {
    return await this.device.exec([...agentArgv(name), ...more], { timeoutMs: 120_000 });
  }

  /** What runs, what the profile names, what boots next. */
  async resting(): Promise<readonly (string | null)[]> {
    const { running, profile, bootDefault } = await this.device.links();
    return [running, profile, bootDefault];
  }

  /** Files of the state directory, each with when it was written. */
  async stateFiles(): Promise<string> {
    return await this.device.run([
      ...["find", this.device.stateDir, "-type", "f", "-not", "-path", "*/cache/*"],
      ...["-printf", "%P %s %T@\\n"],
    ]);
  }

  /** `nix-ota-agent inhibit` with further arguments, beside the test. */
  async inhibit(...more: string[]): Promise<ProcessHandle> {
    return await this.startCommand("inhibit", ...more);
  }

  /** A command of the agent, beside the test. */
  async startCommand(name: string, ...more: string[]): Promise<ProcessHandle> {
    return await this.device.spawn([...agentArgv(name), ...more]);
  }

  /** The agent's own view, as `status --json` prints it. */
  async status(): Promise<unknown> {
    return JSON.parse(await this.device.run([...agentArgv("status"), "--json"])) as unknown;
  }
}

/** How a device starts its agent: the host's node runs the checkout. */
export function agentArgv(command: string): string[] {
  return [process.execPath, entryFile("agent"), command, "--config", CONFIG_FILE];
}

function crashingArgv(...options: string[]): string[] {
  const program = join(import.meta.dirname, "crashing-agent.ts");
  return [process.execPath, program, ...options, "--config", CONFIG_FILE];
}
