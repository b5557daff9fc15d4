import type { Fleet } from "./fleet.ts";
import { ForgedBundle } from "./forged-bundle.ts";

/** Sticks with bundles on them: folders beside the fleet's, which devices see as well. */
export class Sticks {
  readonly #fleet: Fleet;
  #forged = 0;

  constructor(fleet: Fleet) {
    this.#fleet = fleet;
  }

  /** Where the bundle of that name is, or will be. */
  place(name: string): string {
    return this.#fleet.workshop.folder.join(`stick-${name}`);
  }

  /** `nix-ota bundle` for the head, or for what more arguments say. */
  argv(name: string, ...more: string[]): string[] {
    const { server, tokenFile, channel } = this.#fleet;
    return [
      ...["bundle", "--server", server.url, "--token-file", tokenFile],
      ...["--channel", channel, "--out", this.place(name), ...more],
    ];
  }

  /** Makes it; the command must succeed. */
  async bundle(name: string, ...more: string[]): Promise<string> {
    await this.#fleet.cliJson(...this.argv(name, ...more));
    return this.place(name);
  }

  /** A copy of a bundle in a stranger's hands. */
  async forge(bundle: string): Promise<ForgedBundle> {
    this.#forged += 1;
    return await ForgedBundle.of(bundle, this.place(`forged-${this.#forged}`));
  }
}
