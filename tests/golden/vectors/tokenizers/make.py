"""Writes the folders beside this file: small tokenizers of each common form and what Hugging Face tokenizers say of texts.

Needs tokenizers. The corpus is made up, so that nothing else is needed.
"""

import json
import os
import random

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

here = os.path.dirname(os.path.abspath(__file__))
random.seed(3)
words = "the dogs don't ran 12 apples for 345 Tom's money, and THEY'LL count: half of 7 is 3.5 (more or less)!".split()
corpus = [" ".join(random.choices(words, k=12)) for _ in range(200)]
fragments = (
    ["a", "B", " ", "  ", "\n", "\r\n", "\t", "é", "e\u0301", "🙂", "👨‍👩‍👧", "日本", "\u0085", "\ufeff", "\u00a0", "\u3000", "\u200b"]
    + ["'s", "'LL", "12", "345", "½", "٣", "...", "—", "$x^2$", "<eos>", "<R>", "<L>", "<W>", "the", " dogs", "_", "-", "ﬁ", "\x00"]
    + ["<0x41>", "▁", "##s", "th", "'"]
)
texts = ["", " "] + ["".join(random.choices(fragments, k=random.randint(1, 14))) for _ in range(80)]
special = ["<unk>", "<bos>", "<eos>"]
bytes_alphabet = pre_tokenizers.ByteLevel.alphabet()


def bpe_trainer(size, **more):
    return trainers.BpeTrainer(vocab_size=size, special_tokens=special, show_progress=False, **more)


def gpt2():
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.decoder = decoders.ByteLevel()
    t.train_from_iterator(corpus, bpe_trainer(330, initial_alphabet=bytes_alphabet))
    t.add_tokens(["dogs", "éx"])
    return t


def llama3():
    t = Tokenizer(models.BPE(ignore_merges=True))
    pattern = (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
        r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    )
    split = pre_tokenizers.Split(Regex(pattern), "isolated")
    t.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    t.decoder = decoders.ByteLevel()
    t.train_from_iterator(corpus, bpe_trainer(330, initial_alphabet=bytes_alphabet))
    t.post_processor = processors.TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", 1)])
    return t


def digits():
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    t.decoder = decoders.ByteLevel()
    t.train_from_iterator(corpus, bpe_trainer(300, initial_alphabet=bytes_alphabet))
    t.add_special_tokens([AddedToken("<L>", lstrip=True), AddedToken("<R>", rstrip=True)])
    t.add_tokens([AddedToken("<W>", single_word=True), AddedToken("dogs", normalized=False)])
    return t


def llama2():
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    trained.train_from_iterator(corpus, bpe_trainer(90))
    model = json.loads(trained.to_str())["model"]
    vocab = {token: i for i, token in enumerate(special + [f"<0x{b:02X}>" for b in range(256)])}
    for token in sorted(model["vocab"], key=model["vocab"].get):
        vocab.setdefault(token, len(vocab))
    merges = [tuple(merge) for merge in model["merges"]]
    t = Tokenizer(models.BPE(vocab=vocab, merges=merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    t.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    t.decoder = decoders.Sequence(steps)
    t.add_special_tokens([AddedToken(token, normalized=False) for token in special])
    t.post_processor = processors.TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", 1)])
    return t


def unigram():
    t = Tokenizer(models.Unigram())
    t.normalizer = normalizers.NFKC()
    t.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    t.decoder = decoders.Metaspace(prepend_scheme="never")
    trainer = trainers.UnigramTrainer(vocab_size=80, special_tokens=special, unk_token="<unk>", show_progress=False)
    t.train_from_iterator(corpus, trainer)
    return t


def bert():
    t = Tokenizer(models.WordPiece(unk_token="<unk>"))
    t.normalizer = normalizers.BertNormalizer(lowercase=True)
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    t.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(vocab_size=90, special_tokens=special, show_progress=False)
    t.train_from_iterator(corpus, trainer)
    t.post_processor = processors.TemplateProcessing(single="<bos> $A <eos>", special_tokens=[("<bos>", 1), ("<eos>", 2)])
    return t


def word_level():
    t = Tokenizer(models.WordLevel(unk_token="<unk>"))
    t.pre_tokenizer = pre_tokenizers.Whitespace()
    t.train_from_iterator(corpus, trainers.WordLevelTrainer(special_tokens=special, show_progress=False))
    return t


for make in [gpt2, llama3, digits, llama2, unigram, bert, word_level]:
    folder = os.path.join(here, make.__name__)
    os.makedirs(folder, exist_ok=True)
    tokenizer = make()
    with open(os.path.join(folder, "tokenizer.json"), "w") as f:
        json.dump(json.loads(tokenizer.to_str()), f, ensure_ascii=False)
    cases = []
    for text in texts:
        ids = tokenizer.encode(text).ids
        cases.append({"text": text, "ids": ids, "decoded": tokenizer.decode(ids)})
    with open(os.path.join(folder, "cases.json"), "w") as f:
        json.dump({"cases": cases}, f)
