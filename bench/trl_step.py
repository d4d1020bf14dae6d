"""The TRL side of `npm run bench -- race`: the same GRPO step on random weights. Prints one JSON line.

Needs a Python with torch and trl; it is run with the interpreter given to the race, never by tests.
"""

import argparse
import json
import os
import resource
import statistics
import tempfile
import time

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast, TrainerCallback
from trl import GRPOConfig, GRPOTrainer

parser = argparse.ArgumentParser()
parser.add_argument("--config", required=True, help="config.json of the model, as text")
parser.add_argument("--prompt", type=int, required=True)
parser.add_argument("--completion", type=int, required=True)
parser.add_argument("--group", type=int, required=True)
parser.add_argument("--steps", type=int, required=True)
parser.add_argument("--dtype", choices=["fp32", "bf16"], required=True)
parser.add_argument("--threads", type=int, required=True)
args = parser.parse_args()

torch.set_num_threads(args.threads)
torch.manual_seed(17)
raw = json.loads(args.config)
config = AutoConfig.for_model(raw.pop("model_type"), **raw)
vocabulary = {f"t{i}": i for i in range(config.vocab_size)}
words = Tokenizer(models.WordLevel(vocabulary, unk_token="t2"))
words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, eos_token="t1", pad_token="t0", unk_token="t2")
model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16 if args.dtype == "bf16" else torch.float32)

prompts = [
    " ".join(f"t{3 + (i * 7919 + 104729 * p) % (config.vocab_size - 3)}" for i in range(args.prompt))
    for p in range(args.steps)
]


def reward(completions, **_):
    return [float(i % 2) for i in range(len(completions))]


class Clock(TrainerCallback):
    def __init__(self):
        self.steps, self.started = [], None

    def on_step_begin(self, *_, **__):
        self.started = time.perf_counter()

    def on_step_end(self, *_, **__):
        self.steps.append(time.perf_counter() - self.started)


with tempfile.TemporaryDirectory() as folder:
    clock = Clock()
    trainer = GRPOTrainer(
        model=model,
        reward_funcs=reward,
        args=GRPOConfig(
            output_dir=folder,
            use_cpu=True,
            bf16=args.dtype == "bf16",
            per_device_train_batch_size=args.group,
            num_generations=args.group,
            max_completion_length=args.completion,
            max_steps=args.steps,
            learning_rate=1e-6,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            logging_steps=10**6,
            generation_kwargs={"min_new_tokens": args.completion},
        ),
        train_dataset=Dataset.from_dict({"prompt": prompts}),
        processing_class=tokenizer,
        callbacks=[clock],
    )
    generations = []
    inner = trainer._generate

    def generate(*a, **k):
        started = time.perf_counter()
        out = inner(*a, **k)
        generations.append(time.perf_counter() - started)
        return out

    trainer._generate = generate
    trainer.train()

steps = clock.steps[1:] or clock.steps
rollouts = generations[1:] or generations
print(
    json.dumps(
        {
            "step_s": statistics.median(steps),
            "step_best_s": min(steps),
            "rollout_s": statistics.median(rollouts),
            "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
    )
)
