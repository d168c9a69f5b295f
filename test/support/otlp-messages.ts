import type protobuf from "protobufjs";
import type { ProfileBatch } from "../../src/profiles/profile.ts";
import { batchOfOracle, otlpOracle } from "../../src/profiles/testing/otlp-oracle.ts";
import { encodeMessage, protoRoot } from "./proto-root.ts";

/** ExportProfilesPartialSuccess: what a receiver that is not wholly content answers. */
export interface PartialSuccess {
  readonly rejectedProfiles: number;
  readonly errorMessage: string;
}

const profilesData = otlpOracle();
const exportResponse = profilesData.root.lookupType(
  "opentelemetry.proto.collector.profiles.v1development.ExportProfilesServiceResponse",
);
const google = protoRoot("google/rpc/status.proto", "google/rpc/error_details.proto");
const rpcStatus = google.lookupType("google.rpc.Status");
const retryInfo = google.lookupType("google.rpc.RetryInfo");

/**
 * The profiles of an ExportProfilesServiceRequest, read by protobufjs' code.
 *
 * @throws what protobufjs throws, and InvalidMessage
 */
export function readExportRequest(bytes: Uint8Array): ProfileBatch {
  return batchOfOracle(profilesData.decode(bytes));
}

/**
 * The same of OTLP/JSON, whose ids are in hex where protobufjs wants base64.
 *
 * @throws what JSON.parse and protobufjs throw, and InvalidMessage
 */
export function readExportRequestJson(bytes: Uint8Array): ProfileBatch {
  const plain = JSON.parse(Buffer.from(bytes).toString(), (key, value) =>
    key === "traceId" || key === "spanId" ? Uint8Array.fromHex(value as string) : value,
  ) as Record<string, unknown>;
  return batchOfOracle(profilesData.fromObject(plain));
}

/** An ExportProfilesServiceResponse. */
export function exportResponseOf(partialSuccess: PartialSuccess | undefined): Uint8Array {
  return encodeMessage(exportResponse, partialSuccess === undefined ? {} : { partialSuccess });
}

/** The same in OTLP/JSON. */
export function exportResponseJsonOf(partialSuccess: PartialSuccess | undefined): string {
  if (partialSuccess === undefined) return "{}";
  const { rejectedProfiles, errorMessage } = partialSuccess;
  return JSON.stringify({
    partialSuccess: { rejectedProfiles: String(rejectedProfiles), errorMessage },
  });
}

/** What a receiver answered, as plain data: `partialSuccess` is null when all was taken. */
export function readExportResponse(bytes: Uint8Array): Record<string, unknown> {
  const options: protobuf.IConversionOptions = { longs: Number, defaults: true };
  return exportResponse.toObject(exportResponse.decode(bytes), options);
}

/**
 * A google.rpc.Status.
 *
 * @param code          gRPC's
 * @param retryDelayMs  adds a RetryInfo, which makes RESOURCE_EXHAUSTED retryable
 */
export function statusOf(code: number, message: string, retryDelayMs?: number): Uint8Array {
  const details = retryDelayMs === undefined ? [] : [retryInfoOf(retryDelayMs)];
  return encodeMessage(rpcStatus, { code, message, details });
}

function retryInfoOf(delayMs: number): Record<string, unknown> {
  const seconds = Math.floor(delayMs / 1000);
  const retryDelay = { seconds, nanos: (delayMs - seconds * 1000) * 1e6 };
  return {
    type_url: "type.googleapis.com/google.rpc.RetryInfo",
    value: encodeMessage(retryInfo, { retryDelay }),
  };
}
