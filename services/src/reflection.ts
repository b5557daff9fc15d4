import {
  createRegistry,
  type DescFile,
  type MessageInitShape,
  type Registry,
  toBinary,
} from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import type {
  ServerReflectionRequest,
  ServerReflectionResponseSchema,
} from "@nix-ota/proto/grpc/reflection/v1/reflection_pb";
import { file_nixota_v1_error } from "@nix-ota/proto/nixota/v1/error_pb";

/** What reflection tells of. */
export interface Reflected {
  /** Full names of the services that run here. */
  readonly services: readonly string[];
  /** The files of the services and all that they import. */
  readonly files: readonly DescFile[];
  readonly registry: Registry;
}

type Found = NonNullable<
  MessageInitShape<typeof ServerReflectionResponseSchema>["messageResponse"]
>;
type Question = ServerReflectionRequest["messageRequest"];

/** gRPC's numbers of codes. */
const INVALID_ARGUMENT = 3;
const NOT_FOUND = 5;

/** Collects what the services are made of, and what the details of their errors are. */
export function reflected(services: readonly { typeName: string; file: DescFile }[]): Reflected {
  const files = withImports([...services.map(({ file }) => file), file_nixota_v1_error]);
  return {
    services: services.map(({ typeName }) => typeName),
    files,
    registry: createRegistry(...files),
  };
}

/** Answers one question; the two versions of the protocol differ in nothing but their names. */
export function reflect({ services, files, registry }: Reflected, question: Question): Found {
  switch (question.case) {
    case "listServices":
      return {
        case: "listServicesResponse",
        value: {
          service: services.map((name) => ({ name })),
        },
      };
    case "fileByFilename": {
      const name = question.value;
      return fileAnswer(
        files.find(({ proto }) => proto.name === name),
        "file",
      );
    }
    case "fileContainingSymbol":
      return fileAnswer(fileOf(registry, question.value), "symbol");
    case "fileContainingExtension": {
      const { containingType, extensionNumber } = question.value;
      const message = registry.getMessage(containingType);
      const extension = message && registry.getExtensionFor(message, extensionNumber);
      return fileAnswer(extension?.file, "extension");
    }
    case "allExtensionNumbersOfType": {
      const baseTypeName = question.value;
      if (registry.getMessage(baseTypeName) === undefined) return missing("message");
      return {
        case: "allExtensionNumbersResponse",
        value: {
          baseTypeName,
          extensionNumber: [...registry].flatMap((desc) =>
            desc.kind === "extension" && desc.extendee.typeName === baseTypeName
              ? [desc.number]
              : [],
          ),
        },
      };
    }
    case undefined:
      return error(INVALID_ARGUMENT, "the request asks nothing");
  }
}

/** The file of a type, or of a method, field or value of one. */
function fileOf(registry: Registry, symbol: string): DescFile | undefined {
  const own = registry.get(symbol) ?? registry.get(symbol.slice(0, symbol.lastIndexOf(".")));
  return own?.file;
}

function fileAnswer(file: DescFile | undefined, what: string): Found {
  if (file === undefined) return missing(what);
  return {
    case: "fileDescriptorResponse",
    value: {
      fileDescriptorProto: withImports([file]).map(({ proto }) =>
        toBinary(FileDescriptorProtoSchema, proto),
      ),
    },
  };
}

function withImports(roots: readonly DescFile[]): readonly DescFile[] {
  const all = new Map<string, DescFile>();
  const add = (file: DescFile) => {
    if (all.has(file.proto.name)) return;
    all.set(file.proto.name, file);
    for (const one of file.dependencies) add(one);
  };
  for (const file of roots) add(file);
  return [...all.values()];
}

function missing(what: string): Found {
  return error(NOT_FOUND, `the server does not have this ${what}`);
}

function error(errorCode: number, errorMessage: string): Found {
  return { case: "errorResponse", value: { errorCode, errorMessage } };
}
