"""Writes the files of this folder. Needs pyarrow."""

import json
import os

import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq

here = os.path.dirname(os.path.abspath(__file__))
rows = [
    {
        "question": f"What is {i} + {i}? – é🙂",
        "answer": 2 * i,
        "big": 2**40 + i,
        "score": None if i == 1 else i / 4,
        "messages": [{"role": "user", "content": f"turn {i}"}, {"role": "assistant", "content": "ok"}],
        "meta": {"tags": ["a", "b"][: i % 3], "easy": i % 2 == 0},
    }
    for i in range(5)
]
table = pa.Table.from_pylist(rows)
with open(os.path.join(here, "rows.json"), "w") as f:
    json.dump(rows, f, ensure_ascii=False, indent=1)
for codec in ["none", "snappy", "gzip", "zstd", "lz4", "brotli"]:
    pq.write_table(table, os.path.join(here, f"{codec}.parquet"), compression=codec)
pq.write_table(table, os.path.join(here, "groups.parquet"), row_group_size=2)
for codec in ["uncompressed", "lz4", "zstd"]:
    feather.write_feather(table, os.path.join(here, f"file-{codec}.arrow"), compression=codec)
folder = os.path.join(here, "dataset")
os.makedirs(folder, exist_ok=True)
shards = [("data-00000-of-00002.arrow", table.slice(0, 3)), ("data-00001-of-00002.arrow", table.slice(3))]
for name, shard in shards:
    with pa.ipc.new_stream(os.path.join(folder, name), table.schema) as writer:
        writer.write_table(shard)
with open(os.path.join(folder, "state.json"), "w") as f:
    json.dump({"_data_files": [{"filename": name} for name, _ in shards], "_split": None}, f)
with open(os.path.join(folder, "dataset_info.json"), "w") as f:
    json.dump({"description": ""}, f)
