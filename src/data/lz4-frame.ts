const FRAME_MAGIC = 0x184d2204;

/**
 * Bytes of one LZ4 frame (lz4_Frame_format 1.6.4), the form Arrow IPC uses for compressed buffers. Checksums are skipped.
 *
 * @throws RangeError when the frame is damaged
 */
export function decodeLz4Frame(input: Uint8Array): Uint8Array {
  const view = new DataView(input.buffer, input.byteOffset, input.byteLength);
  if (view.getUint32(0, true) !== FRAME_MAGIC) throw new RangeError("not an LZ4 frame");
  const flags = view.getUint8(4);
  const blockChecksum = (flags & 0x10) !== 0;
  let at = 7 + ((flags & 0x08) !== 0 ? 8 : 0) + ((flags & 0x01) !== 0 ? 4 : 0);
  const output = new Output(input.length * 4);
  for (;;) {
    const header = view.getUint32(at, true);
    at += 4;
    if (header === 0) return output.bytes.subarray(0, output.length);
    const size = header & 0x7fffffff;
    if (at + size > input.length) throw new RangeError("an LZ4 block ends beyond its frame");
    const block = input.subarray(at, at + size);
    if (header >>> 31 === 1) output.append(block);
    else decodeBlock(block, output);
    at += size + (blockChecksum ? 4 : 0);
  }
}

/** A growing array that can also repeat what it holds; blocks of a frame may refer to earlier blocks. */
class Output {
  bytes: Uint8Array;
  length = 0;

  constructor(capacity: number) {
    this.bytes = new Uint8Array(capacity);
  }

  append(source: Uint8Array): void {
    this.reserve(source.length);
    this.bytes.set(source, this.length);
    this.length += source.length;
  }

  repeat(distance: number, count: number): void {
    if (distance === 0 || distance > this.length) throw new RangeError("an LZ4 match starts before its frame");
    this.reserve(count);
    for (let i = 0; i < count; i++, this.length++) this.bytes[this.length] = this.bytes[this.length - distance]!;
  }

  private reserve(count: number): void {
    if (this.length + count <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(2 * this.bytes.length, this.length + count));
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
  }
}

/** lz4_Block_format: sequences of literals and matches; the last sequence is literals only. */
function decodeBlock(block: Uint8Array, output: Output): void {
  let at = 0;
  const extended = (length: number) => {
    if (length < 15) return length;
    let more: number;
    do {
      more = block[at++] ?? 0;
      length += more;
    } while (more === 255);
    return length;
  };
  while (at < block.length) {
    const token = block[at++]!;
    const literals = extended(token >> 4);
    output.append(block.subarray(at, at + literals));
    at += literals;
    if (at >= block.length) return;
    const distance = block[at]! | (block[at + 1]! << 8);
    at += 2;
    output.repeat(distance, extended(token & 15) + 4);
  }
}
