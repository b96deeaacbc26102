import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from w2s_tutorial.sweeps import load_result, save_result, summarize, sweep


def run(*, n, eta, offset=0.0):
    heads = torch.arange(3.0)
    return {"weak": n + eta + heads, "student": offset + heads}


def test_a_row_for_every_setting_role_and_head():
    table = sweep(run, {"n": [10, 20], "eta": [0.1, 0.5]}, offset=7.0)
    assert list(table.columns) == ["n", "eta", "role", "head", "value"]
    assert len(table) == 2 * 2 * 2 * 3
    row = table[(table.n == 20) & (table.eta == 0.5) & (table.role == "weak")]
    assert row["value"].tolist() == [20.5, 21.5, 22.5]
    assert table[table.role == "student"]["value"].max() == 9.0


def test_intervals_are_students_t():
    table = sweep(run, {"n": [10], "eta": [0.0]})
    weak = summarize(table, ["role"]).set_index("role").loc["weak"]
    low, high = stats.t.interval(0.95, 2, 11.0, 1 / np.sqrt(3))
    assert (weak["mean"], weak["heads"]) == (11.0, 3)
    assert (weak["low"], weak["high"]) == pytest.approx((low, high))


def test_intervals_cover_at_their_level():
    rng = np.random.default_rng(0)
    table = sweep(
        lambda trial: {"weak": torch.tensor(rng.normal(size=5))}, {"trial": list(range(1000))}
    )
    each = summarize(table, ["trial"], level=0.9)
    covered = ((each["low"] < 0) & (each["high"] > 0)).sum()
    assert abs(covered - 900) < 4 * np.sqrt(1000 * 0.9 * 0.1)


def test_results_come_back_with_their_provenance(tmp_path):
    table = sweep(run, {"n": [10], "eta": [0.0]})
    save_result(table, tmp_path / "r.csv", {"command": "make r", "seconds": 3.0})
    back = load_result(tmp_path / "r.csv")
    pd.testing.assert_frame_equal(back, table, check_dtype=False)
    assert back.attrs["command"] == "make r"
    assert back.attrs["torch"] == torch.__version__
    assert sorted(p.name for p in tmp_path.iterdir()) == ["r.csv", "r.json"]
    lines = (tmp_path / "r.csv").read_text().splitlines(keepends=True)
    (tmp_path / "r.csv").write_text("".join(lines[:-1]))
    with pytest.raises(ValueError, match=r"r.csv should have 6 rows, got 5"):
        load_result(tmp_path / "r.csv")


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="axis n needs at least 1 value"):
        sweep(run, {"n": []})
    with pytest.raises(ValueError, match=r"run must return \(h,\) values, got \(2, 2\) for weak"):
        sweep(lambda n: {"weak": torch.zeros(2, 2)}, {"n": [1]})
    table = sweep(run, {"n": [10], "eta": [0.0]})
    with pytest.raises(ValueError, match="at least 2 heads"):
        summarize(table, ["role", "head"])
    with pytest.raises(ValueError, match="value must be finite"):
        summarize(table.assign(value=np.nan), ["role"])
    with pytest.raises(ValueError, match=r"level must lie in \(0, 1\), got 95"):
        summarize(table, ["role"], level=95)
