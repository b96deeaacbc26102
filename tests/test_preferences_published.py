"""The cell for published models of the chapter on preferences, with tiny ones in their place."""

from __future__ import annotations

import importlib.util
import math
import re

import pytest
import torch
from published_cell import published_cell
from tiny_models import save_models

from w2s_tutorial.networks.language import log_probability, preference

pytestmark = [
    pytest.mark.filterwarnings("ignore::FutureWarning"),  # of peft, about transformers to come
    pytest.mark.skipif(importlib.util.find_spec("peft") is None, reason="needs peft"),
]
TEACHERS = {"first": 16, "second": 24, "third": 32}


def test_the_cell_runs_with_tiny_models(tmp_path, capsys):
    save_models(tmp_path, {**TEACHERS, "student": 48}, templates=tuple(TEACHERS))
    cell = published_cell("preferences")
    names = [str(tmp_path / name) for name in TEACHERS]
    for name, value in (("TEACHERS", names), ("STUDENT", str(tmp_path / "student"))):
        cell, found = re.subn(
            rf"^{name} = (\[.*?\]|.*?)$", f"{name} = {value!r}", cell, flags=re.M | re.S
        )
        assert found == 1, name
    cell = cell.replace("max_new_tokens=80", "max_new_tokens=12")
    space = {"torch": torch, "here": torch.device("cpu"), "log_probability": log_probability}
    torch.manual_seed(0)
    space["preference"] = preference
    exec(cell, space)
    printed = [
        line.split(" ", 2) for line in capsys.readouterr().out.splitlines() if line[:1].isdigit()
    ]
    losses, chosen = zip(*((float(loss), int(index)) for loss, index, *_ in printed), strict=True)
    strong, asks, offered = (space[name] for name in ("strong", "asks", "offered"))
    assert len(losses) == len(asks) == len(offered[0]) >= 8

    with strong.disable_adapter():  # the student as it was when it was first asked
        nats = [space["surprise"](asks[0], said[0]) for said in offered]
        as_saved = space["surprise"](asks[0], space["rejected"][0])
    assert chosen[0] == nats.index(min(nats))
    # Before any step student and reference agree, so that the first loss is known.
    assert losses[0] == pytest.approx(math.log(2) + 0.2 * min(nats), abs=2e-3)
    assert losses[0] != pytest.approx(math.log(2) + 0.2 * as_saved, abs=1e-4)

    weights = dict(strong.named_parameters())
    learned = [weight for name, weight in weights.items() if "lora_B" in name]
    assert learned
    assert all(bool(weight.any()) for weight in learned), "they begin at zero"
    plain, _ = space["load"](space["STUDENT"])
    for name, weight in plain.named_parameters():
        (kept,) = (w for n, w in weights.items() if n.replace(".base_layer", "").endswith(name))
        assert torch.equal(kept, weight), name
