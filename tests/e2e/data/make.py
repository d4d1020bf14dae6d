"""Writes prompts.parquet: sixty questions of four words each, for tests/e2e/word-model.test.ts."""

import sys

import pyarrow as pa
import pyarrow.parquet as pq

rows = [dict(prompt=f"{a} + {b} =", answer=str((a + b) % 10), digits=[a, b]) for a in range(10) for b in range(6)]
pq.write_table(pa.Table.from_pylist(rows), sys.argv[1], compression="snappy")
