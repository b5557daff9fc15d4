import type { ConnectRouter, HandlerContext } from "@connectrpc/connect";
import { Health } from "@nix-ota/proto/grpc/health/v1/health_pb";
import { ServerReflection } from "@nix-ota/proto/grpc/reflection/v1/reflection_pb";
import { ServerReflection as AlphaReflection } from "@nix-ota/proto/grpc/reflection/v1alpha/reflection_pb";

import { CALL } from "./call.ts";
import { healthCalls, type HealthParts } from "./health-calls.ts";
import type { Onlooker } from "./onlooker.ts";
import { reflectionCalls } from "./reflection-calls.ts";
import { reflected } from "./reflection.ts";

/** The services that gRPC's own tools and balancers expect of every server. */
export const STANDARD_SERVICES = [Health, ServerReflection, AlphaReflection] as const;

/** Full name and descriptor of a service. */
type Service = Parameters<typeof reflected>[0][number];

/** Registers health and reflection beside the services that run here. */
export function addStandardServices(
  router: ConnectRouter,
  services: readonly Service[],
  options: Omit<HealthParts, "services"> & {
    readonly reflectionLifeMs: number;
    readonly streamTimeoutMs: number;
  },
): void {
  const { after, reflectionLifeMs: lifeMs, streamTimeoutMs: maxTimeoutMs } = options;
  const all = [...services, ...STANDARD_SERVICES];
  const { v1, v1alpha } = reflectionCalls(reflected(all), { lifeMs, after });
  const names = all.map(({ typeName }) => typeName);
  const { check, watch } = healthCalls({ ...options, services: names });
  router.rpc(Health.method.check, check);
  router.rpc(Health.method.watch, watch, { maxTimeoutMs });
  router.rpc(ServerReflection.method.serverReflectionInfo, v1, { maxTimeoutMs });
  router.rpc(AlphaReflection.method.serverReflectionInfo, v1alpha, { maxTimeoutMs });
}

/**
 * Lets in who may: health is for everybody, reflection for who may see metrics.
 *
 * @returns Whether the call is of a standard service; others are for another gate.
 */
export async function standardGate(
  context: HandlerContext,
  requireOnlooker: (onlooker: Onlooker) => Promise<void>,
): Promise<boolean> {
  const { typeName } = context.service;
  if (!STANDARD_SERVICES.some((service) => service.typeName === typeName)) return false;
  if (typeName === Health.typeName) return true;
  const { host } = new URL(context.url);
  await requireOnlooker({
    address: context.values.get(CALL).address,
    // HTTP/2 names the host in the URL alone.
    header: (name) => (name === "host" ? host : context.requestHeader.get(name)),
  });
  return true;
}
