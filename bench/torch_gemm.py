"""The products of bench/gemm.ts by PyTorch: one JSON request per line in, one JSON list of milliseconds per line out."""

import json
import sys
import time

import torch

torch.set_num_threads(int(sys.argv[1]))
torch.set_grad_enabled(False)
COLD_BYTES = 160 << 20

for line in sys.stdin:
    job = json.loads(line)
    dtype = torch.float32 if job["dtype"] == "f32" else torch.bfloat16
    rows, n, k = job["rows"], job["n"], job["k"]
    x, dy = torch.randn(rows, k).to(dtype), torch.randn(rows, n).to(dtype)
    copies = -(-COLD_BYTES // (n * k * dtype.itemsize)) if job["cold"] else 1
    weights = [torch.randn(n, k).to(dtype) for _ in range(copies)]
    turn = 0

    def call():
        global turn
        w = weights[turn % copies]
        turn += 1
        if job["kind"] == "forward":
            torch.nn.functional.linear(x, w)
        elif job["kind"] == "dx":
            torch.matmul(dy, w)
        else:
            w.addmm_(dy.t(), x)

    def timed(count):
        start = time.perf_counter()
        for _ in range(count):
            call()
        return (time.perf_counter() - start) * 1e3 / count

    timed(1)
    inner = max(1, min(1000, round(2 / min(timed(1), timed(1)))))
    print(json.dumps([timed(inner) for _ in range(job["samples"])]), flush=True)
