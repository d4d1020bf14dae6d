"""The TRL side of `npm run bench -- stories`: GRPO on a pretrained model with the story_cheer reward. Prints one JSON line."""

import argparse
import json
import os
import re
import tempfile
import time

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import GRPOConfig, GRPOTrainer

parser = argparse.ArgumentParser()
parser.add_argument("--model", required=True)
parser.add_argument("--data", required=True)
parser.add_argument("--steps", type=int, required=True)
parser.add_argument("--threads", type=int, required=True)
args = parser.parse_args()

torch.set_num_threads(args.threads)
torch.manual_seed(17)
cheerful = ["happy", "smiled", "friends", "fun", "love", "laughed"]


def cheer(completions, **_):
    found = [set(re.findall("[a-z]+", text.lower())) for text in completions]
    return [min(1.0, sum(word in words for word in cheerful) / 3) for words in found]


rewards = []


class Log(TrainerCallback):
    def on_log(self, _args, _state, _control, logs=None, **_):
        if "reward" in logs:
            rewards.append(logs["reward"])


tokenizer = AutoTokenizer.from_pretrained(args.model)
tokenizer.pad_token = tokenizer.eos_token
model = AutoModelForCausalLM.from_pretrained(args.model, dtype=torch.float32)
with open(args.data) as file:
    data = Dataset.from_list([json.loads(line) for line in file])
with tempfile.TemporaryDirectory() as folder:
    trainer = GRPOTrainer(
        model=model,
        reward_funcs=cheer,
        args=GRPOConfig(
            output_dir=folder,
            use_cpu=True,
            bf16=False,
            per_device_train_batch_size=64,
            num_generations=8,
            max_completion_length=64,
            max_steps=args.steps,
            learning_rate=5e-4,
            lr_scheduler_type="constant",
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            logging_steps=1,
        ),
        train_dataset=data,
        processing_class=tokenizer,
        callbacks=[Log()],
    )
    started = time.perf_counter()
    trainer.train()
    seconds = time.perf_counter() - started
print(json.dumps({"seconds": seconds, "rewards": rewards}))
