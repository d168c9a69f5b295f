import { otlpOracle } from "./otlp-oracle.ts";

/** A message as plain data, with protobufjs' names: the fields of ProfilesData in camel case. */
// biome-ignore lint/suspicious/noExplicitAny: tests put anything in any place, wrong things too
export type PlainMessage = any;

const oracle = otlpOracle();

/** A small valid message: one profile, one sample of one value, every table in use. */
export function smallMessage(): PlainMessage {
  return {
    resourceProfiles: [
      {
        resource: { attributes: [{ key: "service.name", value: { stringValue: "shop" } }] },
        scopeProfiles: [{ scope: { name: "test" }, profiles: [smallProfile()] }],
      },
    ],
    dictionary: {
      mappingTable: [{}, { memoryStart: 4096, memoryLimit: 8192, filenameStrindex: 6 }],
      locationTable: [
        {},
        { mappingIndex: 1, address: 4100, lines: [{ functionIndex: 1, line: 7 }] },
        { mappingIndex: 1, address: 4200, attributeIndices: [2] },
      ],
      functionTable: [{}, { nameStrindex: 3, filenameStrindex: 6, startLine: 5 }],
      linkTable: [{}, { traceId: new Uint8Array(16).fill(1), spanId: new Uint8Array(8).fill(2) }],
      stringTable: ["", "cpu", "nanoseconds", "main", "thread.name", "frame.type", "a.out"],
      attributeTable: [
        {},
        { keyStrindex: 4, value: { stringValue: "worker" } },
        { keyStrindex: 5, value: { stringValue: "native" } },
      ],
      stackTable: [{}, { locationIndices: [1, 2] }],
    },
  };
}

function smallProfile(): PlainMessage {
  return {
    sampleType: { typeStrindex: 1, unitStrindex: 2 },
    periodType: { typeStrindex: 1, unitStrindex: 2 },
    period: 10,
    timeUnixNano: 1000,
    durationNano: 500,
    attributeIndices: [1],
    samples: [{ stackIndex: 1, attributeIndices: [1], linkIndex: 1, values: [30] }],
  };
}

/** The bytes of a small message after a change to it. */
export function messageWith(change: (message: PlainMessage) => void = () => {}): Uint8Array {
  const message = smallMessage();
  change(message);
  return oracle.encode(oracle.fromObject(message)).finish();
}

/** The only profile of a small message. */
export function profileOf(message: PlainMessage): PlainMessage {
  return message.resourceProfiles[0].scopeProfiles[0].profiles[0];
}
