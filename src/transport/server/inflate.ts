import { promisify } from "node:util";
import { constants, gunzip, inflate, zstdDecompress } from "node:zlib";
import {
  CollectorError,
  isCollectorError,
  limitExceeded,
  malformed,
} from "../../support/errors.ts";

/** Content encodings that a body may have; "" is none. */
export const bodyEncodings = ["", "identity", "gzip", "zlib", "deflate", "zstd"] as const;

type Inflate = (bytes: Uint8Array, bytesMax: number) => Promise<Uint8Array>;

const gunzipAsync = promisify(gunzip);
const inflateAsync = promisify(inflate);
const zstdAsync = promisify(zstdDecompress);

/** 8 MiB, the largest window that RFC 9659 lets the content coding have. */
const ZSTD_WINDOW_LOG_MAX = 23;

const inflated: Inflate = (bytes, maxOutputLength) => inflateAsync(bytes, { maxOutputLength });

const inflaters: ReadonlyMap<string, Inflate> = new Map<string, Inflate>([
  ["gzip", (bytes, maxOutputLength) => gunzipAsync(bytes, { maxOutputLength })],
  ["zlib", inflated],
  ["deflate", inflated],
  [
    "zstd",
    (bytes, maxOutputLength) => {
      const params = { [constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG_MAX };
      return zstdAsync(bytes, { maxOutputLength, params });
    },
  ],
]);

/**
 * The contents of a body, inflated beside the main thread. It stops at the limit, so that a bomb
 * costs no more than a body of that size [S1].
 *
 * @param encoding  as the Content-Encoding header says it; one at most
 * @throws CollectorError UNSUPPORTED  an encoding that is not known
 * @throws CollectorError INPUT_MALFORMED, LIMIT_EXCEEDED
 */
export async function inflateBody(
  encoding: string,
  bytes: Uint8Array,
  bytesMax: number,
): Promise<Uint8Array> {
  if (bytes.length > bytesMax) {
    throw limitExceeded("request body", "bytes", bytes.length, bytesMax);
  }
  if (encoding === "" || encoding === "identity") return bytes;
  const inflateBytes = inflaters.get(encoding);
  if (inflateBytes === undefined) {
    const known = [...inflaters.keys()].join(", ");
    const message = `content-encoding must be one of ${known}`;
    throw new CollectorError("UNSUPPORTED", message);
  }
  try {
    return await inflateBytes(bytes, bytesMax);
  } catch (error) {
    throw errorOfInflation(error, encoding, bytesMax);
  }
}

function errorOfInflation(error: unknown, encoding: string, bytesMax: number): CollectorError {
  if (isCollectorError(error)) return error;
  if ((error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE") {
    const message = `request body: its ${encoding} inflates to more than ${bytesMax} bytes`;
    return new CollectorError("LIMIT_EXCEEDED", message);
  }
  return malformed("request body", `it is no ${encoding} that can be read`);
}
