"""Reasoning from a weak reasoner with published language models: the first step, by name.

Needs the extra `pretrained` (transformers), and `lora` (peft) to train large students in the memory
of a small GPU. Models come from the hub or from a folder. Nothing here needs true answers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from w2s_tutorial.devices import mixed_precision
from w2s_tutorial.networks.language import next_token
from w2s_tutorial.networks.train import fit
from w2s_tutorial.seeds import Seed, generator_of

ASK = " Reason step by step, one line a step, and end with a line 'Answer:' and the number."


class Lesson(NamedTuple):
    """What came of it.

    Attributes:
        traces: what the teacher wrote, for each question.
        before, after: what the student wrote for each question it was asked, before and after.
        losses: (steps,) of its training.
    """

    traces: list[str]
    before: list[str]
    after: list[str]
    losses: Tensor


def sums(n: int, *, seed: Seed, steps: int = 4) -> tuple[list[str], list[int]]:
    """Questions of several additions and subtractions in words, and their answers."""
    generator = generator_of(seed)
    numbers = torch.randint(11, 90, (n, steps + 1), generator=generator).tolist()
    minus = torch.randint(2, (n, steps), generator=generator).tolist()
    asked, answers = [], []
    for row, signs in zip(numbers, minus, strict=True):
        parts = [f"{'subtract' if s else 'add'} {x}" for s, x in zip(signs, row[1:], strict=True)]
        asked.append(f"Start with {row[0]}, {', '.join(parts)}. What is the result?")
        answers.append(row[0] + sum(-x if s else x for s, x in zip(signs, row[1:], strict=True)))
    return asked, answers


def last_number(text: str) -> int | None:
    """The last whole number of a text, the answer if it is one; None if it has none."""
    found = re.findall(r"-?\d+", text.replace(",", ""))
    return int(found[-1]) if found else None


def learn_from_traces(
    teacher: str,
    student: str,
    pool: Sequence[str],
    asked: Sequence[str],
    *,
    new: int = 160,
    steps: int = 60,
    batch_size: int = 16,
    micro_batch: int = 2,
    lr: float = 2e-4,
    rank: int = 16,
    seed: Seed = 0,
    device: torch.device | str = "cpu",
) -> Lesson:
    """Fine-tune a student on what a teacher writes, and let it answer before and after.

    On GPUs weights that stay as they are lie in half precision, which a T4 has as float16; weights
    that learn are float32 everywhere.

    Args:
        teacher: name or folder of an instruction-tuned model.
        student: name or folder of a larger base model.
        pool: questions for the teacher.
        asked: questions for the student.
        new: the most tokens that either writes for a question.
        rank: of the low-rank weights that are added and trained (LoRA, needs peft); 0 trains all.

    Raises:
        ImportError: without transformers, or with a rank and without peft.
        ValueError: if there are fewer questions in the pool than in a batch.
    """
    import transformers

    if len(pool) < batch_size:
        raise ValueError(f"pool must hold at least {batch_size} questions, got {len(pool)}")
    device = torch.device(device)
    lower = mixed_precision(device)

    def load(name: str, dtype: torch.dtype) -> tuple[Any, Any]:
        words = transformers.AutoTokenizer.from_pretrained(name)
        words.pad_token = words.pad_token or words.eos_token
        model: Any = transformers.AutoModelForCausalLM.from_pretrained(name)
        return model.to(dtype), words

    model, words = load(teacher, lower)
    traces = _write(model.to(device), words, [_request(words, q) for q in pool], new)
    del model

    model, words = load(student, lower if rank else torch.float32)
    plain = [f"Question: {question}\nAnswer:" for question in asked]
    before = _write(model.to(device), words, plain, new)
    model = model.to("cpu")  # `fit` takes a copy of its own there
    if rank:
        import peft

        # Whatever the model calls its matrices, all but the last one.
        settings = peft.LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear")
        model = peft.get_peft_model(model, settings)
    text, counts = _texts(words, pool, traces)
    found = fit(
        _Logits(model), next_token, [text, counts], steps=steps, batch_size=batch_size, lr=lr,
        seed=seed, warmup=steps // 10, micro_batch=micro_batch, device=device,
    )  # fmt: skip
    after = _write(found.network.model, words, plain, new)
    return Lesson(traces, before, after, found.losses)


class _Logits(nn.Module):
    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, text: Tensor) -> Tensor:
        # Padding lies on the right, where no token before it looks: no mask is needed.
        return self.model(input_ids=text, use_cache=False).logits


def _request(words: Any, question: str) -> str:
    if not words.chat_template:
        return f"Question: {question}{ASK}\nAnswer:"
    turn = [{"role": "user", "content": question + ASK}]
    return words.apply_chat_template(turn, tokenize=False, add_generation_prompt=True)


def _texts(words: Any, pool: Sequence[str], traces: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Tokens (n, t) of questions with traces and an end, and True where a trace's token is."""
    rows = []
    for question, trace in zip(pool, traces, strict=True):
        prompt = words(f"Question: {question}\nAnswer:")["input_ids"]
        rows.append((prompt, words(f" {trace}", add_special_tokens=False)["input_ids"]))
    longest = max(len(prompt) + len(trace) + 1 for prompt, trace in rows)
    text = torch.full((len(rows), longest), words.pad_token_id)
    counts = torch.zeros(len(rows), longest, dtype=torch.bool)
    for i, (prompt, trace) in enumerate(rows):
        whole = [*prompt, *trace, words.eos_token_id]
        text[i, : len(whole)] = torch.tensor(whole)
        counts[i, len(prompt) : len(whole)] = True
    return text, counts


@torch.no_grad()
def _write(
    model: Any, words: Any, prompts: Sequence[str], new: int, at_once: int = 16
) -> list[str]:
    """What a model writes after each prompt, token by likeliest token."""
    model.eval()
    words.padding_side = "left"
    found = []
    for first in range(0, len(prompts), at_once):
        some = words(list(prompts[first : first + at_once]), return_tensors="pt", padding=True)
        given = {k: v.to(model.device) for k, v in some.items() if k != "token_type_ids"}
        out = model.generate(
            **given, max_new_tokens=new, do_sample=False, pad_token_id=words.pad_token_id
        )
        fresh = out[:, given["input_ids"].shape[1] :]
        found += [text.strip() for text in words.batch_decode(fresh, skip_special_tokens=True)]
    return found
