"""The sentences about a table claim no more than its intervals allow."""

import doctest
import re

import numpy as np
import pandas as pd
import pytest

from w2s_tutorial.figures import _findings as findings


def rows_of(means, half=0.02):
    means = np.array(means)
    settings = [50, 100, 400][: len(means)]
    return pd.DataFrame({"n": settings, "mean": means, "low": means - half, "high": means + half})


@pytest.mark.parametrize(
    ("means", "said"),
    [
        ([0.5, 0.6, 0.7], "weak rises from 0.5 at 50 to 0.7 at 400"),
        ([0.7, 0.6, 0.5], "weak falls from 0.7 at 50 to 0.5 at 400"),
        ([0.7, 0.7, 0.735], "weak goes from 0.7 at 50 to 0.735 at 400"),
        ([0.7, 0.9, 0.7], "weak goes from 0.7 at 50 to 0.7 at 400, with a peak of 0.9 at 100"),
        ([0.7, 0.5, 0.7], "weak goes from 0.7 at 50 to 0.7 at 400, with a dip to 0.5 at 100"),
        ([0.7, 0.735, 0.7], "weak goes from 0.7 at 50 to 0.7 at 400"),
    ],
)
def test_only_disjoint_intervals_count_as_a_change(means, said):
    assert re.sub(r" \([^)]*\)", "", findings.course(rows_of(means), "n", "weak")) == said


def test_narrower_intervals_turn_the_same_means_into_a_change():
    means = [0.7, 0.7, 0.735]
    assert "goes from" in findings.course(rows_of(means, half=0.018), "n", "weak")
    assert "rises from" in findings.course(rows_of(means, half=0.017), "n", "weak")


def test_one_setting_is_no_course():
    assert findings.course(rows_of([0.7]), "n", "weak") == "weak is 0.7 (0.68 to 0.72) at 50"


def test_the_examples_in_the_docstrings_hold():
    result = doctest.testmod(findings)
    assert result.attempted > 0
    assert result.failed == 0
