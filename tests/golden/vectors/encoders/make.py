"""Writes bert/ and xlm-roberta/: small encoders with random weights, and states.json with ids and last hidden states.

python make.py   (transformers 5.18, torch 2.13, CPU, float64 for the states)
"""
import json
from pathlib import Path

import torch
from transformers import BertConfig, BertModel, XLMRobertaConfig, XLMRobertaForMaskedLM

here = Path(__file__).parent
shape = dict(vocab_size=40, hidden_size=24, intermediate_size=37, num_hidden_layers=2, num_attention_heads=4,
             initializer_range=0.3)
models = {
    "bert": BertModel(BertConfig(**shape, max_position_embeddings=140, hidden_act="gelu")),
    # A head on top, so that names carry a prefix; pad_token_id 1 moves the first position to 2.
    "xlm-roberta": XLMRobertaForMaskedLM(XLMRobertaConfig(**shape, max_position_embeddings=142, hidden_act="gelu_new",
                                                           type_vocab_size=1, pad_token_id=1)),
}
for name, model in models.items():
    generator = torch.Generator().manual_seed(11)
    for parameter in model.parameters():
        if parameter.dim() == 1:
            parameter.data += 0.3 * torch.randn(parameter.shape, generator=generator)
        else:
            parameter.data = 0.3 * torch.randn(parameter.shape, generator=generator)
    model.eval()
    folder = here / name
    model.save_pretrained(folder)
    body = getattr(model, "roberta", model).double()
    ids = [torch.randint(2, 40, (length,), generator=generator) for length in (1, 7, 64, 65, 131)]
    states = []
    for row in ids:
        with torch.no_grad():
            states.append(body(row[None]).last_hidden_state[0])
    # Long texts by a few rows, to keep the file small.
    kept = [sorted({0, len(row) // 2, len(row) - 1}) for row in ids]
    texts = [{"ids": row.tolist(), "rows": rows, "states": [[round(x, 7) for x in state[r].tolist()] for r in rows]}
             for row, rows, state in zip(ids, kept, states)]
    (folder / "states.json").write_text(json.dumps({"texts": texts}))
