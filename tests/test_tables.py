"""Ratios of roles per setting, against a loop."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from w2s_tutorial.checks._common import interval
from w2s_tutorial.metrics import opr, pgr, t_half_width
from w2s_tutorial.sweeps import sweep
from w2s_tutorial.tables import exact_ratio, measured_ratio, paired_differences, summarize


def generator():
    return torch.Generator().manual_seed(0)


def table():
    g = generator()

    def run(n, d):
        return {
            "student": 1.0 * n + d + torch.rand(12, generator=g, dtype=torch.float64),
            "weak": 3.0 * n + torch.rand(12, generator=g, dtype=torch.float64),
            "ceiling": 0.5 + torch.rand(12, generator=g, dtype=torch.float64),
        }

    return sweep(run, {"d": [0.1, 0.2], "n": [9, 3]})


def values(t, role, **setting):
    for name, value in setting.items():
        t = t[t[name] == value]
    return torch.tensor(t[t["role"] == role]["value"].to_numpy())


def test_ratio_of_means_at_every_setting_in_order():
    t = table()
    roles = ("weak", "student", "ceiling")
    found = measured_ratio(t, ["d", "n"], pgr, roles, seed=generator())
    assert found[["d", "n"]].to_numpy().tolist() == [[0.1, 9], [0.1, 3], [0.2, 9], [0.2, 3]]
    for row in found.itertuples():
        expected = pgr(*(values(t, role, d=row.d, n=row.n) for role in roles))
        assert row.mean == pytest.approx(float(expected))
        assert row.low < row.mean < row.high


def test_heads_are_paired_whatever_the_order_of_rows():
    t = table()
    # Student and weak move together from head to head: their ratio is known far better than
    # either, if heads are paired.
    shared = t["head"] * 5.0
    t["value"] = np.where(t["role"] == "ceiling", t["value"], 100 + shared)
    mixed = t.sample(frac=1, random_state=1)
    found = measured_ratio(mixed, ["d", "n"], opr, ("student", "weak"), seed=generator())
    assert (found["high"] - found["low"]).max() < 1e-12


def test_exact_ratio_equals_the_statistic():
    t = table().query("head == 0").drop(columns="head").sample(frac=1, random_state=2)
    found = exact_ratio(t, ["d", "n"], opr, ("student", "weak"))
    assert len(found) == 4
    for row in found.itertuples():
        weak, student = (values(t, role, d=row.d, n=row.n) for role in ("weak", "student"))
        assert row.value == pytest.approx(float(weak / student))


def test_bad_tables_are_refused():
    t = table()
    with pytest.raises(ValueError, match="table must have baseline for every head"):
        measured_ratio(t, ["d", "n"], opr, ("student", "baseline"), seed=generator())
    with pytest.raises(ValueError, match="table must have 1 row per d and n and role"):
        exact_ratio(t, ["d", "n"], opr, ("student", "weak"))
    short = t[~((t["role"] == "weak") & (t["head"] == 3))]
    with pytest.raises(ValueError, match="table must have weak for every head"):
        measured_ratio(short, ["d", "n"], opr, ("student", "weak"), seed=generator())
    with pytest.raises(ValueError, match="table must have columns"):
        exact_ratio(pd.DataFrame({"d": [1]}), ["d"], opr, ("student", "weak"))


def test_a_ratio_of_errors_is_not_taken_of_accuracies():
    def run():
        right = {"student": [0.75, 0.85], "baseline": [0.7, 0.8]}
        found = {(role, "accuracy"): v for role, v in right.items()}
        return found | {(role, "error_rate"): [1 - a for a in v] for role, v in right.items()}

    t = sweep(run, {}, keys=("role", "measure")).assign(n=1)
    roles = ("student", "baseline")
    for table in (t, t.query("measure == 'accuracy'")):
        with pytest.raises(ValueError, match="opr divides errors: select measure 'error_rate'"):
            measured_ratio(table, ["n"], opr, roles, seed=generator())
        with pytest.raises(ValueError, match="opr divides errors"):
            exact_ratio(table.query("head == 0"), ["n"], opr, roles)
    errors = t.query("measure == 'error_rate'")
    found = measured_ratio(errors, ["n"], opr, roles, seed=generator())
    assert found["mean"].item() == pytest.approx(0.25 / 0.2)
    half = measured_ratio(t, ["n", "measure"], pgr, ("baseline", *roles), seed=generator())
    assert half["mean"].isna().all(), "PGR takes either: a gap of 0 here"


def test_options_go_to_the_statistic():
    t, roles = table(), ("weak", "student", "ceiling")
    for gap, undefined in ((0.0, 0), (15.0, 2), (100.0, 4)):
        found = measured_ratio(t, ["d", "n"], pgr, roles, seed=generator(), min_gap=gap)
        assert found["mean"].isna().sum() == found["low"].isna().sum() == undefined


def pairs_of_networks():
    """Students that differ in what a method gains them, taught by one to three teachers."""
    g, rows = np.random.default_rng(0), []
    for strong, teachers, gain in (("a", 3, 0.3), ("b", 1, -0.1), ("c", 2, 0.1)):
        for weak in range(teachers):
            for head in range(5):
                base = g.normal()
                noise = 0.01 * g.normal()
                for method, value in (("plain", base), ("new", base + gain + noise)):
                    rows.append([weak, strong, head, method, value])
    return pd.DataFrame(rows, columns=["weak", "strong", "head", "method", "value"])


def slow_differences(t, strong):
    """Per head, the mean over teachers."""
    found = []
    for head in range(5):
        rows = t[(t["strong"] == strong) & (t["head"] == head)]
        new, plain = (rows[rows["method"] == m].sort_values("weak") for m in ("new", "plain"))
        found.append(np.mean(new["value"].to_numpy() - plain["value"].to_numpy()))
    return np.array(found)


def test_differences_are_paired_and_networks_count_once():
    t = pairs_of_networks().sample(frac=1, random_state=0)
    each = paired_differences(t, "method", "new", "plain", by=["strong"], unit="head")
    for row in each.itertuples():
        slow = slow_differences(t, row.strong)
        low, high = stats.t.interval(0.95, 4, slow.mean(), stats.sem(slow))
        assert (row.mean, row.low, row.high, row.units) == pytest.approx(
            (slow.mean(), low, high, 5)
        )
        assert high - low < 0.05, "what the two have in common cancels"
    networks = np.array([slow_differences(t, strong).mean() for strong in "abc"])
    over = paired_differences(t, "method", "new", "plain", unit="strong")
    expected = stats.t.interval(0.95, 2, networks.mean(), stats.sem(networks))
    assert over[["low", "high"]].to_numpy()[0] == pytest.approx(expected)
    assert over["mean"].item() == pytest.approx(networks.mean()), "not that of the six pairs"
    turned = paired_differences(t, "method", "plain", "new", unit="strong")
    assert turned["mean"].item() == pytest.approx(-over["mean"].item())


def test_one_unit_has_no_interval_and_lost_partners_are_said():
    t = pairs_of_networks()
    one = paired_differences(t[t["strong"] == "b"], "method", "new", "plain", unit="strong")
    assert one["low"].isna().all()
    assert one["units"].tolist() == [1]
    with pytest.raises(ValueError, match="table must pair 'new' and 'plain' of method in every"):
        paired_differences(t.iloc[1:], "method", "new", "plain", unit="strong")
    with pytest.raises(ValueError, match="table must pair 'new' and 'old' of method"):
        paired_differences(t, "method", "new", "old", unit="strong")
    with pytest.raises(ValueError, match=r"table must have columns \['draw'\]"):
        paired_differences(t, "method", "new", "plain", unit="draw")


def test_the_half_width_is_that_of_scipy():
    values = torch.rand(7, generator=generator(), dtype=torch.float64)
    expected = stats.t.interval(0.9, 6, float(values.mean()), stats.sem(values.numpy()))
    half = t_half_width(values.std() / 7**0.5, 7, level=0.9)
    assert float(values.mean() + half) == pytest.approx(expected[1])
    low, high = interval(values)
    assert (low, high) == pytest.approx(
        stats.t.interval(0.95, 6, float(values.mean()), stats.sem(values.numpy()))
    )
    with pytest.raises(ValueError, match=r"level must lie in \(0, 1\), got 95"):
        t_half_width(1.0, 3, level=95)


def test_a_category_that_nobody_has_is_no_setting():
    plain = table().query("role != 'ceiling'").assign(kind="seen")
    there = plain.assign(kind=pd.Categorical(plain["kind"], ["seen", "never seen"]))
    both = [summarize(rows, ["kind", "d", "n", "role"]) for rows in (plain, there)]
    both += [
        paired_differences(rows, "role", "weak", "student", by=["kind", "d", "n"], unit="head")
        for rows in (plain, there)
    ]
    for one, other in (both[:2], both[2:]):
        assert len(one) in (4, 8)
        pd.testing.assert_frame_equal(one, other.astype({"kind": one["kind"].dtype}))


@pytest.mark.parametrize("by", [[], ["d", "d"], ["mean"], ["heads", "d"]])
def test_settings_have_columns_of_their_own(by):
    t = table().assign(mean=1, heads=1)
    for call in (
        lambda: summarize(t, by, over=["n", "d", "role", "mean", "heads"]),
        lambda: measured_ratio(t, by, opr, ("student", "weak"), seed=0),
        lambda: exact_ratio(t, by, opr, ("student", "weak")),
    ):
        with pytest.raises(ValueError, match=r"by must name columns, each once and none of \['hea"):
            call()


def test_columns_may_be_numbers():
    t = table().rename(columns={"d": 0})
    assert len(summarize(t, [0, "n", "role"])) == 12
    with pytest.raises(ValueError, match="several values of 0 for one n and role"):
        summarize(t, ["n", "role"])
    with pytest.raises(ValueError, match="several values of n for one 0 and role"):
        summarize(t, [0, "role"])
    with pytest.raises(ValueError, match="1 row per 0 and n and role and head"):
        summarize(pd.concat([t, t]), [0, "n", "role"])


def test_no_table_and_columns_of_one_name_are_refused():
    table = pd.DataFrame([["a", 1.0, 2.0], ["a", 2.0, 3.0]], columns=["role", "value", "value"])
    with pytest.raises(ValueError, match=r"name its columns differently, got .'value'. twice"):
        summarize(table, ["role"])
    with pytest.raises(TypeError, match=r"table must be a pandas\.DataFrame, got list"):
        summarize([1.0], ["role"])
