"""Teachers compared at equal width and accuracy: the parts on made data, and what is stored."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
import torch
from helpers_data import script

from w2s_tutorial.tables import load_result

DATA = Path(__file__).parents[1] / "data" / "photographs"


@pytest.fixture(scope="module")
def compare() -> ModuleType:
    return script("photographs/compare")


def test_one_accuracy_is_read_off_lines_between_numbers_of_labels(compare: ModuleType):
    draws = torch.Generator().manual_seed(0)
    weak = torch.rand(4, 3, 6, generator=draws, dtype=torch.float64).sort(0).values  # (n, b, h)
    weak = weak + torch.arange(4)[:, None, None] / 5
    gain = torch.randn(4, 3, 6, generator=draws, dtype=torch.float64)
    level = float(weak.mean(-1)[1:3].mean())
    found = compare.at_accuracy(level, *weak, *gain)
    for b in range(3):
        x, y = weak[:, b].mean(-1).numpy(), gain[:, b].mean(-1).numpy()
        assert float(found[b]) == pytest.approx(float(np.interp(level, x, y)))
    # Beyond the ends the outer lines go on, so that a bootstrap draw is never cut off.
    one = torch.tensor([[0.6], [0.7], [0.8]], dtype=torch.float64)
    line = partial(compare.at_accuracy, 0.9)
    assert float(line(*one, *(2 * one))) == pytest.approx(1.8)
    assert float(compare.at_accuracy(0.5, *one, *(2 * one))) == pytest.approx(1.0)


def made(n: int = 2400) -> dict[str, torch.Tensor]:
    """A student of 64 directions; the label is a noisy sum of three. Another view of the same."""
    draws = torch.Generator().manual_seed(0)
    label = torch.arange(2).repeat_interleave(n // 2)
    told = torch.randn(n, 3, generator=draws) + 0.8 * (2 * label[:, None] - 1)
    student = torch.cat([told, torch.randn(n, 61, generator=draws) / 3], 1)
    other = torch.cat(
        [told[:, :1] + torch.randn(n, 1, generator=draws), torch.randn(n, 23, generator=draws)], 1
    )
    return {"hog": other, "own": student[:, :24].clone(), "student": student}


def test_outsiders_gain_and_ones_own_view_does_not(compare: ModuleType):
    rows = pd.DataFrame(compared := compare.compared("a/b", made(), 8, teachers=("hog", "own")))
    assert len(compared) == 2 * (4 * 6 + 1) + 2
    table = rows.set_index(["teacher", "n_labeled", "quantity"])
    assert table.loc[("hog", 400, "gain"), "low"] > 0.05
    assert abs(table.loc[("own", 400, "gain"), "mean"]) < 0.02
    shared = table.xs("shared dimension", level="quantity")
    assert shared.loc["own", "mean"].item() == pytest.approx(24, abs=1e-3)
    assert 0.2 < shared.loc["hog", "mean"].item() < 3  # one direction, half of it noise
    # With one outsider the common accuracy is its own with most labels.
    matched = table.loc[("hog", 0, "gain at one accuracy")]
    assert matched["mean"] == pytest.approx(table.loc[("hog", 400, "gain"), "mean"], abs=1e-4)


def test_what_is_stored(compare: ModuleType):
    table = load_result(DATA / "views.csv")
    rows = table.set_index(["pair", "teacher", "n_labeled", "quantity"])
    assert set(table["pair"]) == {"/".join(pair) for pair in compare.PAIRS}
    assert (table["low"] <= table["mean"] + 1e-9).all()
    assert (table["mean"] <= table["high"] + 1e-9).all()
    for pair in compare.PAIRS:
        name = "/".join(pair)
        assert rows.loc[(name, "own", 0, "shared dimension"), "mean"] == pytest.approx(24, abs=0.05)
        assert abs(rows.loc[(name, "own", 400, "gain"), "mean"]) < 0.02, "the control"
        for teacher in compare.TEACHERS:
            role = {r: rows.loc[(name, teacher, 200, r), "mean"] for r in ("weak", "student")}
            gain = rows.loc[(name, teacher, 200, "gain"), "mean"]
            assert gain == pytest.approx(role["student"] - role["weak"], abs=2e-4)
