import type { DescMethodServerStreaming, DescMethodUnary, JsonValue } from "@bufbuild/protobuf";
import type { DescMethodBiDiStreaming } from "@bufbuild/protobuf";

/** A stream that is open until it is disposed of. */
interface OpenStream extends AsyncDisposable {
  /** The first message of the server, as proto3 JSON. */
  first(): Promise<JsonValue>;
}

/**
 * A program that somebody else wrote and that calls the server in its own way. Messages go in and
 * come out as proto3 JSON, whatever the program puts on the wire.
 */
export interface Caller extends AsyncDisposable {
  unary(method: DescMethodUnary, message: JsonValue, token: string): Promise<JsonValue>;
  /** Opens a stream and sends one message. */
  stream(
    method: DescMethodServerStreaming | DescMethodBiDiStreaming,
    message: JsonValue,
    token: string,
  ): Promise<OpenStream>;
}

/** Longest wait for one answer, milliseconds. */
export const CALL_LIMIT_MS = 60_000;

/** Path of a method on every protocol of the server. */
export function pathOf(method: { readonly parent: { typeName: string }; readonly name: string }) {
  return `/${method.parent.typeName}/${method.name}`;
}
