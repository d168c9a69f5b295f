/**
 * Inflates bytes and stops as soon as they are more than allowed: what is compressed cannot say
 * how much it becomes.
 */
export async function limitedBytes(
  bytes: Uint8Array,
  format: "gzip" | "deflate-raw",
  max: number,
): Promise<Uint8Array<ArrayBuffer>> {
  let length = 0;
  const limit = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
    transform(chunk, controller) {
      length += chunk.length;
      if (length > max) throw new Error(`it is larger than ${max} bytes`);
      controller.enqueue(chunk);
    },
  });
  const stream = new Blob([new Uint8Array(bytes)])
    .stream()
    .pipeThrough(new DecompressionStream(format))
    .pipeThrough(limit);
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
