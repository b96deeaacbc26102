"""Reasoning from a weak reasoner, end to end, with tiny models of the published ones' kind."""

from __future__ import annotations

import importlib.util

import pytest
import torch
from published_cell import published_cell
from tiny_models import save_models

from w2s_tutorial.networks import published
from w2s_tutorial.networks.published import last_number, learn_from_traces, sums

transformers = pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> tuple[str, str]:
    """Two models, the second one larger."""
    folder = tmp_path_factory.mktemp("models")
    save_models(folder, {"teacher": 16, "student": 32}, templates=("teacher",))
    return str(folder / "teacher"), str(folder / "student")


def test_questions_have_the_answers_that_they_ask_for():
    asked, answers = sums(20, seed=0)
    for question, answer in zip(asked, answers, strict=True):
        words = question.replace(",", "").replace(".", "").split()
        value = int(words[2])
        for verb, number in zip(words[3:-4:2], words[4:-4:2], strict=True):
            value += {"add": 1, "subtract": -1}[verb] * int(number)
        assert value == answer
    assert sums(20, seed=0) == (asked, answers) != sums(20, seed=1)


@pytest.mark.parametrize(
    ("text", "number"),
    [("12 + 3 = 15\nAnswer: 15", 15), ("-7", -7), ("1,204 in all", 1204), ("none", None)],
)
def test_last_number(text, number):
    assert last_number(text) == number


def lesson(folders: tuple[str, str], **changes):
    pool, asked = sums(8, seed=0)[0], sums(3, seed=1)[0]
    settings = dict(new=12, steps=80, batch_size=4, micro_batch=2, lr=1e-2, rank=0)
    return learn_from_traces(*folders, pool, asked, **settings | changes)


def test_a_student_learns_what_its_teacher_writes(folders):
    state = torch.random.get_rng_state()
    found = lesson(folders)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert (len(found.traces), len(found.before), len(found.after)) == (8, 3, 3)
    assert found.losses[-10:].mean() < 0.3 * found.losses[:3].mean()
    assert found.before != found.after
    # The teacher's random weights make it write much the same always, and the student copies it.
    assert any(answer[:4] == trace[:4] for answer in found.after for trace in found.traces)
    again = lesson(folders, steps=4)
    assert again.traces == found.traces
    assert again.before == found.before


def test_only_the_trace_is_learned(folders):
    words = transformers.AutoTokenizer.from_pretrained(folders[1])
    text, counts = published._texts(words, ["1?", "23?"], ["4", "56"])
    encode = lambda part: words(part, add_special_tokens=False)["input_ids"]
    prompt, trace = encode("Question: 1?\nAnswer:"), encode(" 4")
    assert text[0].tolist() == [*prompt, *trace, words.eos_token_id, 0, 0]
    assert text[0][counts[0]].tolist() == [*trace, words.eos_token_id]
    assert text[1][counts[1]].tolist() == [*encode(" 56"), words.eos_token_id]


@pytest.mark.filterwarnings("ignore::FutureWarning")  # of peft, about transformers' next version
@pytest.mark.skipif(importlib.util.find_spec("peft") is None, reason="needs peft")
def test_low_rank_weights_alone_are_trained(folders):
    found = lesson(folders, rank=4)
    assert found.losses[-10:].mean() < found.losses[:3].mean()


def test_a_pool_smaller_than_a_batch(folders):
    with pytest.raises(ValueError, match="at least 9 questions, got 8"):
        lesson(folders, batch_size=9)


def test_the_notebook_calls_what_is_tested_here():
    assert "learn_from_traces(" in published_cell("reasoning")
