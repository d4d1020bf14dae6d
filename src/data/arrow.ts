import { CompressionType, compressionRegistry, tableFromIPC } from "apache-arrow";
import { decompressZstd } from "hyparquet-compressors";
import { dataError } from "./data-error.js";
import { decodeLz4Frame } from "./lz4-frame.js";
import { type DataRecord, toPlain } from "./plain.js";

compressionRegistry.set(CompressionType.LZ4_FRAME, { decode: decodeLz4Frame });
// A copy, because typed views of 8-byte values need an aligned buffer.
compressionRegistry.set(CompressionType.ZSTD, { decode: (data) => decompressZstd(data).slice() });

/**
 * Records of Arrow IPC bytes in file or stream form, plain or compressed (LZ4 frame, ZSTD).
 *
 * @throws GrpoError GRPO_DATA when the bytes cannot be read as Arrow
 */
export function parseArrow(path: string, bytes: Uint8Array, limit = Number.POSITIVE_INFINITY): DataRecord[] {
  try {
    const table = tableFromIPC(bytes);
    const names = table.schema.fields.map((field) => field.name);
    const columns = names.map((_, i) => table.getChildAt(i)!);
    return Array.from({ length: Math.min(limit, table.numRows) }, (_, row) => {
      const record: DataRecord = {};
      for (const [i, column] of columns.entries()) record[names[i]!] = toPlain(column.get(row));
      return record;
    });
  } catch (cause) {
    const what = `cannot be read as Arrow IPC: ${(cause as Error).message}`;
    throw dataError(
      path,
      null,
      what,
      "the file is damaged or was not written completely; write or copy it again",
      cause,
    );
  }
}
