import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { dataError } from "./data-error.js";
import { type DataRecord, toPlain } from "./plain.js";

/**
 * Records of a Parquet file, nested columns as arrays and objects.
 *
 * @throws GrpoError GRPO_DATA when the file cannot be read as Parquet
 */
export async function readParquet(path: string, limit = Number.POSITIVE_INFINITY): Promise<DataRecord[]> {
  try {
    const file = await asyncBufferFromFile(path);
    const metadata = await parquetMetadataAsync(file);
    const rowEnd = Math.min(limit, Number(metadata.num_rows));
    const rows = await parquetReadObjects({ file, metadata, compressors, rowEnd });
    return rows.map((row) => toPlain(row) as DataRecord);
  } catch (cause) {
    const what = `cannot be read as Parquet: ${(cause as Error).message}`;
    throw dataError(
      path,
      null,
      what,
      "the file is damaged or was not written completely; write or copy it again",
      cause,
    );
  }
}
