import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from w2s_tutorial.storage import describe
from w2s_tutorial.sweeps import sweep
from w2s_tutorial.tables import load_result, save_result, summarize


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


def test_names_of_several_parts_are_columns_of_their_own_types():
    def measured(weak, strong, n):
        return {
            (0.1, "student", 3): torch.tensor([len(weak), len(strong)]),
            (np.float64(0.1), "weak", np.int64(4)): np.array([n]),
        }

    pairs = [("cnn", "resnet"), ("a|b", "0.5")]
    axes = {("weak", "strong"): pairs, "n": [5, 6]}
    table = sweep(measured, axes, keys=("eta", "role", "k"))
    slow = []
    for weak, strong in pairs:
        for n in (5, 6):
            slow += [(weak, strong, n, 0.1, "student", 3, 0, len(weak))]
            slow += [(weak, strong, n, 0.1, "student", 3, 1, len(strong))]
            slow += [(weak, strong, n, 0.1, "weak", 4, 0, n)]
    names = ["weak", "strong", "n", "eta", "role", "k", "head", "value"]
    pd.testing.assert_frame_equal(table, pd.DataFrame(slow, columns=names))


def test_values_are_tensors_arrays_lists_or_a_number():
    given = [torch.tensor([1.0, 2.0]), np.array([1.0, 2.0]), [1.0, 2.0], (1.0, 2.0)]
    for values in given:
        assert sweep(lambda v: {"weak": v}, {}, v=values)["value"].tolist() == [1, 2]
    for value in (1.5, np.float64(1.5), torch.tensor(1.5), np.array(1.5)):
        table = sweep(lambda v: {"weak": v}, {}, v=value)
        assert table[["head", "value"]].to_numpy().tolist() == [[0, 1.5]]
    assert sweep(lambda: {"weak": torch.ones(2).bfloat16()}, {})["value"].tolist() == [1, 1]
    with_gradient = torch.ones(2, requires_grad=True)
    assert sweep(lambda v: {"weak": v}, {}, v=with_gradient)["value"].tolist() == [1, 1]


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (1.5, r"run must return name -> \(h,\) values, got 1.5"),
        ({}, r"run must return name -> \(h,\) values, got {}"),
        ({"weak": "0.5"}, "run must return numbers, got <U3 for weak at {'n': 1}"),
        ({"weak": None}, "run must return numbers, got object for weak"),
        ({"weak": [[1], [1, 2]]}, r"run must return \(h,\) values, got \[\[1\], \[1, 2\]\]"),
        ({"weak": torch.zeros(2, 2)}, r"run must return \(h,\) values, got \(2, 2\) for weak"),
        ({("weak", "all"): [1]}, "run must name values by role, got"),
        ({torch.ones(1): [1]}, "run must name values by role, got tensor"),
    ],
)
def test_other_results_are_refused(returned, message):
    with pytest.raises(ValueError, match=message):
        sweep(lambda n: returned, {"n": [1]})


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
    save_result(table, tmp_path / "r.csv", describe("make r", seconds=3.0))
    back = load_result(tmp_path / "r.csv")
    pd.testing.assert_frame_equal(back, table, check_dtype=False)
    assert back.attrs["command"] == "make r"
    assert back.attrs["torch"] == torch.__version__
    assert sorted(p.name for p in tmp_path.iterdir()) == ["r.csv", "r.json"]
    whole = (tmp_path / "r.csv").read_bytes()
    (tmp_path / "r.csv").write_bytes(whole.replace(b"\n", b"\r\n"))  # git on Windows
    pd.testing.assert_frame_equal(load_result(tmp_path / "r.csv"), back)
    for changed in (whole.replace(b"11.0", b"11.1"), whole[: whole.rindex(b"10,")]):
        assert changed != whole
        (tmp_path / "r.csv").write_bytes(changed)
        with pytest.raises(ValueError, match=r"r.csv is not the table that r.json describes"):
            load_result(tmp_path / "r.csv")


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="axis n needs at least 1 value"):
        sweep(run, {"n": []})
    with pytest.raises(TypeError, match="axis fit must be a sequence of names, got the text"):
        sweep(run, {"fit": "logistic"})
    with pytest.raises(TypeError, match="keys must be a sequence of names, got the text 'role'"):
        sweep(run, {"n": [1]}, keys="role")
    with pytest.raises(ValueError, match=r"axis \('n', 'eta'\) needs tuples of 2 values, got"):
        sweep(run, {("n", "eta"): [(1, 2), (1, 2, 3)]})
    with pytest.raises(ValueError, match=r"axis \('n', 'eta'\) needs tuples of 2 values, got 3"):
        sweep(run, {("n", "eta"): [3]})
    with pytest.raises(TypeError, match="axis n must be a sequence of names, got 5"):
        sweep(run, {"n": 5, "eta": [0]})
    for axis, values in (("n", [1, 2, 1]), (("n", "eta"), [(1, 2), (1, 2)])):
        with pytest.raises(ValueError, match=r"axis .* must have each value once, got \["):
            sweep(run, {axis: values})
    with pytest.raises(ValueError, match="axis n must have another name"):
        sweep(run, {("n", "eta"): [(1, 2)], "n": [1]})
    table = sweep(run, {"n": [10], "eta": [0.0]})
    with pytest.raises(ValueError, match=r"at least 2 heads in .*, got 1 at {'role': 'weak', 'h"):
        summarize(table, ["role", "head"])
    with pytest.raises(ValueError, match="table must be finite in value, got nan"):
        summarize(table.assign(value=np.nan), ["role"])
    with pytest.raises(ValueError, match=r"level must lie in \(0, 1\), got 95"):
        summarize(table, ["role"], level=95)
    with pytest.raises(TypeError, match="by must be a sequence of names, got the text 'role'"):
        summarize(table, "role")
    with pytest.raises(ValueError, match=r"table must have columns \['place'\]"):
        summarize(table, ["role"], over=["place"])


def test_an_axis_is_read_once():
    table = sweep(run, {"n": (n for n in (1, 2)), "eta": [0]})
    assert sorted(set(table["n"])) == [1, 2]
    with_lists = sweep(lambda sizes: {"weak": [len(sizes)]}, {"sizes": [[1], [1]]})
    assert len(with_lists) == 2, "what has no hash is not compared"


def test_copies_of_heads_narrow_no_interval():
    table = sweep(run, {"n": [10, 20], "eta": [0.0]})
    by = ["n", "eta", "role"]
    with pytest.raises(ValueError, match="1 row per n and eta and role and head, got several"):
        summarize(pd.concat([table, table]), by)
    runs = pd.concat([table.assign(seed=seed) for seed in (0, 1)])
    assert summarize(runs, by, over=["seed"])["heads"].tolist() == [6] * 4
    assert len(summarize(pd.concat([table] * 2).drop(columns="head"), by)) == 4


def test_only_heads_are_pooled():
    def places(n):
        return {("weak", "all"): [0.9, 0.8], ("weak", "worst"): [0.2, 0.4]}

    table = sweep(places, {"n": [1, 2]}, keys=("role", "where"))
    with pytest.raises(ValueError, match="several values of n for one role and where: select one"):
        summarize(table, ["role", "where"])
    with pytest.raises(ValueError, match="several values of where for one n and role"):
        summarize(table, ["n", "role"])
    each = summarize(table, ["role", "where"], over=["n"])
    assert each["heads"].tolist() == [4, 4]
    assert each["mean"].tolist() == pytest.approx([0.85, 0.3])
    assert summarize(table.query("where == 'all'"), ["n", "role"])["heads"].tolist() == [2, 2]
    empty = table.query("where == 'all'").assign(where=[None, np.nan] * 2)
    assert len(summarize(empty, ["n", "role", "where"])) == 2, "NaN is a place too"
