"""Anybody's data: what `Sample.from_arrays` makes of it, and what `Sample.split` draws."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.model_selection import StratifiedShuffleSplit

from w2s_tutorial.sample import Sample

RNG = np.random.default_rng(0)
X = RNG.normal(size=(12, 3))
WORDS = ["no", "yes", "no", "maybe"] * 3
EXPECTED = [1, 2, 1, 0] * 3  # maybe, no, yes in alphabetical order


def made(**change):
    return Sample.from_arrays(**{"weak": X[:, :2], "strong": X, "y": WORDS, **change})


@pytest.mark.parametrize(
    "y",
    [
        WORDS,
        np.array(WORDS),
        np.array(WORDS, dtype=object),
        pd.Series(WORDS, index=range(5, 17)),
        pd.Series(WORDS, dtype="category"),
        pd.Series(WORDS, dtype="string"),
    ],
    ids=["list", "numpy", "object", "series", "category", "string"],
)
def test_words_become_one_hot_columns_that_keep_their_names(y):
    found = made(y=y)
    assert found.classes == ("maybe", "no", "yes")
    assert found.target.argmax(-1).tolist() == [EXPECTED]
    assert found.target.sum(-1).eq(1).all()
    assert found.target.dtype == found.strong.dtype == torch.float64


@pytest.mark.parametrize("kind", [np.int8, np.int32, np.uint16, np.int64, bool])
def test_labels_of_every_integer_kind(kind):
    code = np.array([0, 1] * 6).astype(kind)
    for y in (code, torch.from_numpy(code.astype(np.int64)), pd.Series(code), code.tolist()):
        found = made(y=y)
        assert found.target.argmax(-1)[0].tolist() == [0, 1] * 6
        assert found.classes == (0, 1)
    assert made(y=np.array([5, -2] * 6)).classes == (-2, 5)


def test_classes_set_the_order_and_may_name_what_is_not_there():
    found = made(classes=["yes", "no", "maybe", "never"])
    assert found.target.shape == (1, 12, 4)
    assert found.target.argmax(-1)[0].tolist() == [1, 0, 1, 2] * 3
    floats = made(y=[0.0, 1.0] * 6, classes=[0, 1])
    assert floats.target.shape == (1, 12, 2)
    with pytest.raises(ValueError, match=r"y must hold classes out of \['yes', 'no'\], got \['ma"):
        made(classes=["yes", "no"])


def test_real_targets_keep_their_precision_and_have_no_classes():
    y = RNG.normal(size=12)
    found = made(y=y, strong=X.astype(np.float32), weak=X.astype(np.float16))
    assert found.target.shape == (1, 12, 1)
    assert found.classes == ()
    np.testing.assert_array_equal(found.target[0, :, 0].numpy(), y)
    assert {part.dtype for part in (found.weak, found.strong, found.target)} == {torch.float64}


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int64, ">f8"])
def test_features_keep_their_values(dtype):
    values = (X * 8).astype(dtype)
    frame = pd.DataFrame(values.astype(values.dtype.newbyteorder("=")), columns=list("abc"))
    for given_ in (values, values[:, ::-1][:, ::-1], frame, values.tolist()):
        found = made(strong=given_)
        np.testing.assert_array_equal(found.strong.numpy(), values.astype(np.float64))
    if dtype == np.float16:
        assert made(strong=values, weak=values).strong.dtype == torch.float32


def test_groups_are_coded_and_named():
    found = made(group=["west", "east"] * 6)
    assert found.groups == ("east", "west")
    assert found.group.tolist() == [1, 0] * 6
    assert made().group.tolist() == [0] * 12


def test_labels_and_groups_may_differ_between_heads():
    found = made(y=[WORDS, WORDS[::-1]], group=np.zeros((2, 12), bool))
    assert found.target.argmax(-1).tolist() == [EXPECTED, EXPECTED[::-1]]
    assert found.group.shape == (2, 12)


REFUSED = [
    ({"strong": sparse.csr_matrix(X)}, TypeError, r"strong must be dense, got csr_matrix"),
    ({"weak": torch.eye(12).to_sparse()}, TypeError, "weak must be dense"),
    ({"strong": pd.DataFrame({"a": [1.0] * 12, "city": ["x"] * 12})}, TypeError, r"\['city'\]"),
    ({"weak": [["a"]] * 12}, TypeError, r"weak must be \(n, d\) numbers"),
    ({"weak": X[0]}, ValueError, r"weak must list 12 examples"),
    ({"weak": X[:5]}, ValueError, r"weak must list 12 examples, got shape \(5, 3\)"),
    ({"strong": np.where(X > 0, np.nan, X)}, ValueError, "strong must be finite"),
    ({"strong": X + 0j}, TypeError, "strong must be"),
    ({"strong": torch.zeros(12, 3, device="meta")}, TypeError, "strong must be dense and hold"),
    ({"y": WORDS[:3]}, ValueError, "must list 3 examples"),
    ({"y": ["no"] * 12}, ValueError, r"y must show at least 2 classes, got \['no'\]"),
    ({"y": [None, *WORDS[1:]]}, ValueError, "y must have no missing value, got 1"),
    ({"y": [math.nan, *WORDS[1:]]}, ValueError, "y must have no missing value, got 1"),
    ({"y": ("no", pd.NA, *WORDS[2:])}, ValueError, "y must have no missing value, got 1"),
    ({"group": [*WORDS[1:], math.nan]}, ValueError, "group must have no missing value, got 1"),
    ({"y": [-1, *WORDS[1:]]}, TypeError, r"y must hold strings or numbers, got both: \[-1, 'may"),
    ({"group": pd.Series([1, "1"] * 6)}, TypeError, "group must hold strings or numbers, got both"),
    ({"y": np.zeros((12, 2, 2), int)}, ValueError, r"y must be \(n,\) or \(h, n\), got shape"),
    ({"y": [[1, 2], [1]]}, ValueError, "got rows of several lengths"),
    ({"y": pd.date_range("2020", periods=12)}, TypeError, "y must hold strings, numbers"),
    ({"group": X[:, 0]}, ValueError, "group must hold strings, integers or booleans, got float64"),
    (
        {"strong": [[1, 2], [1]] * 6},
        ValueError,
        r"strong must be \(n, d\) numbers: .*inhomogeneous",
    ),
    ({"classes": 2}, TypeError, "classes must be a sequence of names, got 2"),
    ({"classes": "noyes"}, TypeError, "classes must be a sequence of names, got 'noyes'"),
    ({"classes": ["no", "no"]}, ValueError, "classes must differ"),
]


@pytest.mark.parametrize(("change", "error", "message"), REFUSED)
def test_what_is_refused_is_named(change, error, message):
    with pytest.raises(error, match=message):
        made(**change)


# --- splits ---------------------------------------------------------------------------------

N = 300
LABEL = RNG.permutation(np.repeat(["a", "b", "c"], (200, 70, 30)))
GROUP = np.where(RNG.random(N) < 0.2, "few", "many")
WHOLE = Sample.from_arrays(
    weak=np.arange(N)[:, None], strong=RNG.normal(size=(N, 2)), y=LABEL, group=GROUP
)


def rows_of(sample):
    return sample.weak[..., 0].long().numpy()


def test_parts_are_disjoint_stratified_and_the_rows_they_say():
    split = WHOLE.split(50, 120, 80, seed=0, draws=7)
    assert [len(part) for part in split] == [50, 120, 80]
    for head in range(7):
        rows = [rows_of(part)[head] for part in split]
        assert len(set(np.concatenate(rows))) == 250
        for part, name, own in zip(split, split.rows, rows, strict=True):
            np.testing.assert_array_equal(split.rows[name][head].numpy(), own)
            np.testing.assert_array_equal(part.strong[head], WHOLE.strong[own])
            named = np.array(part.classes)[part.target[head].argmax(-1)]
            np.testing.assert_array_equal(named, LABEL[own])
            np.testing.assert_array_equal(np.array(part.groups)[part.group[head]], GROUP[own])
    theirs = StratifiedShuffleSplit(1, train_size=50, random_state=0).split(
        X[:1].repeat(N, 0), LABEL
    )
    expected = Counter(LABEL[next(theirs)[0]])
    for head in range(7):
        assert Counter(LABEL[split.rows["labeled"][head]]) == expected


def test_an_integer_repeats_and_draws_differ():
    first, again, other = (WHOLE.split(50, 50, 50, seed=s, draws=2) for s in (1, 1, 2))
    assert torch.equal(first.rows["pool"], again.rows["pool"])
    assert not torch.equal(first.rows["pool"], other.rows["pool"])
    assert not torch.equal(first.rows["pool"][0], first.rows["pool"][1])


def test_every_row_of_a_class_is_as_likely_as_another():
    draws = 4000
    rows = WHOLE.split(60, 60, 60, seed=0, draws=draws).rows["labeled"]
    times = np.bincount(rows.flatten(), minlength=N)
    for name, size in (("a", 200), ("b", 70), ("c", 30)):
        p = 60 / N  # class counts of 40, 14 and 6 are exact
        z = (times[name == LABEL] - draws * p) / (draws * p * (1 - p)) ** 0.5
        assert abs(z).max() < 4.5, size
        assert 0.8 < z.std() < 1.2
    # A slice of a part is a random subset: classes are not sorted in it.
    first = (LABEL[rows[:, :30]] == "a").mean(1)
    assert abs(first.mean() - 2 / 3) < 4 * first.std() / draws**0.5


@settings(max_examples=60, deadline=None)
@given(st.floats(0, 1), st.floats(0, 1), st.integers(1, 40), st.integers(0, 2**31))
def test_shares_of_the_minority_are_exact(labeled, pool, n, seed):
    minority = int((GROUP == "few").sum())
    asked = {"minority": "few", "share": {"labeled": labeled, "pool": pool / 4}}
    if round(labeled * n) + round(pool / 4 * n) > minority:
        with pytest.raises(ValueError, match=r"pool needs \d+ examples of the minority"):
            WHOLE.split(n, n, 60, seed=seed, **asked)
        return
    split = WHOLE.split(n, n, 60, seed=seed, **asked)
    few = {name: int((GROUP[rows[0].numpy()] == "few").sum()) for name, rows in split.rows.items()}
    assert few["labeled"] == round(labeled * n)
    assert few["pool"] == round(pool / 4 * n)
    assert abs(few["test"] - 60 * minority / N) <= 1 or sum(few.values()) == minority


def test_a_minority_is_named_or_coded_and_may_be_several_groups():
    both = {"draws": 2, "seed": 0, "share": 0.5}
    by_name = WHOLE.split(20, 20, 20, minority="few", **both)
    code = WHOLE.groups.index("few")
    plain = Sample(WHOLE.weak, WHOLE.strong, WHOLE.target, WHOLE.group)
    assert torch.equal(
        by_name.rows["test"], plain.split(20, 20, 20, minority=code, **both).rows["test"]
    )
    for kind in (np.array, pd.Series, pd.Index, set):
        again = WHOLE.split(20, 20, 20, minority=kind(["few"]), **both)
        assert torch.equal(by_name.rows["test"], again.rows["test"])
    everyone = WHOLE.split(20, 20, 20, minority=["few", "many"], draws=1, seed=0)
    assert len(everyone.labeled) == 20


def test_all_examples_can_be_dealt_out():
    for minority in (None, "few"):
        for sizes in ((100, 100, 100), (1, 1, 298), (33, 200, 67)):
            rows = WHOLE.split(*sizes, seed=0, minority=minority).rows.values()
            assert sorted(torch.cat(list(rows), 1)[0].tolist()) == list(range(N))


def test_overlap_is_what_pairs_of_draws_share():
    split = WHOLE.split(60, 30, 150, seed=0, draws=5)
    for name, rows in split.rows.items():
        sets = [set(row.tolist()) for row in rows]
        pairs = [len(a & b) / len(a) for i, a in enumerate(sets) for b in sets[:i]]
        assert split.overlap[name] == pytest.approx(np.mean(pairs), abs=1e-12)
    assert np.isnan(WHOLE.split(9, 9, 9, seed=0).overlap["pool"])


@pytest.mark.parametrize(
    ("sizes", "change", "message"),
    [
        ((0, 5, 5), {}, "n_labeled must be an integer of at least 1, got 0"),
        ((5, 5, 2.5), {}, r"n_test must be an integer of at least 1, got 2.5"),
        ((5, 5, 5), {"draws": 0}, "draws must be an integer of at least 1, got 0"),
        ((100, 100, 101), {}, "test needs 101 examples of the sample, 100 are left"),
        ((90, 90, 1), {"minority": "few", "share": 0.9}, "examples of the minority"),
        ((290, 5, 5), {"minority": "few", "share": 0.0}, "examples of the majority"),
        ((5, 5, 5), {"minority": "rich"}, r"minority must name groups, out of \['few', 'many'\]"),
        ((5, 5, 5), {"minority": "few", "share": 1.5}, r"share must lie in \[0, 1\]"),
        ((5, 5, 5), {"minority": "few", "share": {"train": 0.5}}, r"share must lie in \[0, 1\]"),
        ((5, 5, 5), {"share": 0.5}, "share needs minority"),
        (
            (5, 5, 5),
            {"minority": [], "share": 0.4},
            "labeled needs 2 examples of the minority, 0 are",
        ),
        ((5, 5, 5), {"minority": "few", "share": "0.2"}, r"share must lie in \[0, 1\]"),
        ((5, 5, 5), {"minority": "few", "share": [0.1] * 3}, r"share must lie in \[0, 1\]"),
        ((5, 5, 5), {"minority": "few", "share": {"pool": None}}, r"share must lie in \[0, 1\]"),
    ],
)
def test_impossible_splits_are_refused(sizes, change, message):
    with pytest.raises(ValueError, match=message):
        WHOLE.split(*sizes, **{"seed": 0, **change})


def test_a_minority_without_members_has_none_to_give():
    many = WHOLE[torch.from_numpy(GROUP == "many")]
    for share in (0.5, {"pool": 1.0}):
        with pytest.raises(ValueError, match=r"needs \d+ examples of the minority, 0 are left"):
            many.split(20, 20, 20, seed=0, minority="few", share=share)
    plain, without = (many.split(9, 9, 9, seed=0, minority=who) for who in (None, "few"))
    assert all(torch.equal(plain.rows[part], without.rows[part]) for part in plain.rows)


def test_heads_of_their_own_cannot_be_split_again():
    with pytest.raises(ValueError, match="split needs features, labels and groups"):
        WHOLE.split(50, 50, 50, seed=0, draws=2).pool.split(5, 5, 5, seed=0)


NAMED = pd.DataFrame(X, index=list("abcdefghijkl"))
COUNTED = pd.DataFrame(X[[*range(12), *range(12)]])
HOLES = np.ma.masked_array(X, mask=X > 1)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"weak": NAMED, "strong": NAMED[::-1]}, ValueError, "strong must have its rows in the or"),
        ({"strong": NAMED, "y": pd.Series(WORDS, NAMED.index[::-1])}, ValueError, "y must have"),
        (
            {"strong": COUNTED[5:17], "y": pd.Series(WORDS * 2)[6:18]},
            ValueError,
            "y must have its rows in the order of strong: use .loc, or .reset_index",
        ),
        (
            {"weak": COUNTED[:12], "strong": NAMED, "y": pd.Series(WORDS, list("lmnopqrstuvw"))},
            ValueError,
            "y must have its rows in the order of strong",
        ),
        (
            {"strong": HOLES},
            ValueError,
            f"strong must have no missing value, got {HOLES.mask.sum()}",
        ),
        (
            {"y": np.ma.masked_array([0, 1] * 6, mask=[1] + [0] * 11)},
            ValueError,
            "y must have no m",
        ),
        (
            {"strong": NAMED.astype("Float64").mask(NAMED > 1)},
            ValueError,
            "strong must have no mis",
        ),
        ({"y": np.eye(2, dtype=int)[[0, 1] * 6]}, ValueError, r"y must be .*\(12, 2\): .*one-hot"),
        ({"y": np.array(WORDS)[:, None]}, ValueError, r"y must be \(n,\) .*a column is a label"),
        (
            {"weak": X[:, 0]},
            ValueError,
            r"weak must list 12 examples, got shape \(12,\), not \(n, d\)",
        ),
    ],
)
def test_what_would_be_read_wrongly_is_refused(change, error, message):
    with pytest.raises(error, match=message):
        made(**change)


def test_rows_are_taken_by_their_place():
    for index in (NAMED.index, range(12), [0] * 12, list("mnopqrstuvwx")):
        table = NAMED.set_axis(index)
        torch.testing.assert_close(made(weak=NAMED, strong=table).strong, torch.from_numpy(X))
    # What was scaled and put into a new table has its rows numbered anew.
    anew = pd.DataFrame(COUNTED[5:17].to_numpy())
    assert made(strong=anew, y=pd.Series(WORDS * 2)[5:17]).strong.shape == (12, 3)
    twice = pd.concat([NAMED, NAMED], axis=1)  # of columns that share their names
    assert made(strong=twice).strong.shape == (12, 6)
    assert made(strong=np.ma.masked_array(X)).strong.shape == (12, 3)


def test_a_number_of_examples_is_no_truth_value():
    with pytest.raises(ValueError, match="n_labeled must be an integer of at least 1, got True"):
        made().split(True, 2, 2, seed=0)
