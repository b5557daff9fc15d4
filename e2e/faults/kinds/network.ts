import type { Fault } from "../fault.ts";
import type { GateMode } from "../gate.ts";
import type { Subject } from "../subject.ts";

/** The way to the server, and what stands at its end. */
export const network = {
  networkLost: {
    says: "neither server nor cache can be reached",
    strike: ({ lane }) => {
      const cut = lane.cache.inject({ on: /./, fault: { kind: "reset", afterBytes: 0 } });
      const open = atServer("lost")({ lane });
      return () => {
        open();
        cut[Symbol.dispose]();
      };
    },
  },
  serverDeaf: {
    says: "the server takes connections and never answers",
    config: { settings: { server: { callMs: 700 } } },
    strike: atServer("deaf"),
  },
  server503: { says: "the server, or a proxy before it, answers 503", strike: atServer(503) },
  server429: { says: "the server, or a proxy before it, answers 429", strike: atServer(429) },
  serverGarbage: { says: "what answers for the server is no HTTP", strike: atServer("garbage") },
} as const satisfies Record<string, Fault>;

function atServer(mode: GateMode) {
  return ({ lane }: Pick<Subject, "lane">) => {
    lane.gate.mode = mode;
    return () => {
      lane.gate.mode = "open";
    };
  };
}
