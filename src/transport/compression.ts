import { promisify } from "node:util";
import { constants, deflate, gzip, zstdCompress } from "node:zlib";
import { CollectorError } from "../support/errors.ts";

/** Content encodings that Node can write. `zlib` and `deflate` are the same bytes by two names. */
export const httpCompressions = ["gzip", "zlib", "deflate", "zstd", "none", ""] as const;

export type HttpCompression = (typeof httpCompressions)[number];

type Compress = (bytes: Uint8Array, level: number) => Promise<Uint8Array>;

interface Encoding {
  readonly levelMax: number;
  readonly compress: Compress;
}

const gzipAsync = promisify(gzip);
const deflateAsync = promisify(deflate);
const zstdAsync = promisify(zstdCompress);

const deflated: Encoding = {
  levelMax: 9,
  compress: (bytes, level) => deflateAsync(bytes, level === 0 ? {} : { level }),
};

const encodings: Partial<Record<HttpCompression, Encoding>> = {
  gzip: {
    levelMax: 9,
    compress: (bytes, level) => gzipAsync(bytes, level === 0 ? {} : { level }),
  },
  zlib: deflated,
  deflate: deflated,
  zstd: {
    levelMax: 22,
    compress: (bytes, level) => {
      const params = { [constants.ZSTD_c_compressionLevel]: level };
      return zstdAsync(bytes, level <= 0 ? {} : { params });
    },
  },
};

/** Compresses bodies beside the main thread. */
export class Compressor {
  /** What the Content-Encoding header says; undefined when bodies are sent as they are. */
  readonly contentEncoding: string | undefined;
  readonly #encoding: Encoding | undefined;
  readonly #level: number;

  /**
   * @param level  0 and -1 are the method's own default
   * @throws CollectorError CONFIG_INVALID  a level that the method does not have
   */
  constructor(method: HttpCompression, level: number) {
    this.#encoding = encodings[method];
    this.#level = level;
    this.contentEncoding = this.#encoding === undefined ? undefined : method;
    const { levelMax } = this.#encoding ?? { levelMax: Number.POSITIVE_INFINITY };
    if (level > levelMax) {
      const message = `compression_params::level is ${level}, but ${method} has 1 to ${levelMax}`;
      throw new CollectorError("CONFIG_INVALID", message);
    }
  }

  async compress(bytes: Uint8Array): Promise<Uint8Array> {
    return this.#encoding === undefined ? bytes : await this.#encoding.compress(bytes, this.#level);
  }
}
