"""Frozen features of Dominoes and waterdigits: what they are, drawn exactly, measured again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from helpers_data import real_data, script

from w2s_tutorial.datasets import frozen, waterdigits
from w2s_tutorial.tables import load_result

DATA = Path(__file__).parents[1] / "data"
FILES = {"dominoes": frozen.DOMINOES, "waterdigits": frozen.WATERDIGITS}
READ: dict[str, Callable[..., frozen.FrozenFeatures]] = {
    "dominoes": frozen.dominoes_features,
    "waterdigits": frozen.waterdigits_features,
}
COUNTS = {"dominoes": (2000, 5000, 400, 3000), "waterdigits": (250, 690, 56, 400)}


@pytest.fixture(scope="module")
def measure() -> ModuleType:
    return script("dominoes/measure")


def arrays(name: str) -> dict[str, np.ndarray]:
    with np.load(FILES[name], allow_pickle=False) as stored:
        return dict(stored)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("name", FILES)
def test_every_part_is_there_balanced_centred_and_scaled(name: str):
    seen = READ[name]()
    assert tuple(torch.bincount(seen.part).tolist()) == COUNTS[name]
    for part in frozen.PARTS:
        assert float(seen.of(part).label.double().mean()) == 0.5
    pool = seen.of("pool")
    for backbone, view in seen.features.items():
        assert view.shape == (len(seen), 2, 64), backbone
        inside = pool.features[backbone].double().flatten(0, 1)
        # float16 rounds by 2**-11 of a value, and the largest are some ten deviations.
        assert float(inside.mean(0).abs().max()) < 2e-3
        variance = inside.var(0)
        assert float(variance.sum()) == pytest.approx(64, rel=1e-3)
        assert (variance.diff() <= 1e-3 * variance[:-1]).all(), "largest first"


def test_no_image_of_dominoes_is_in_two_parts():
    stored = arrays("dominoes")
    assert len(np.unique(stored["garment"])) == len(stored["garment"])
    for kind in (0, 1):
        rows, parts = stored["digit"][:, kind], stored["part"]
        pairs = np.unique(np.stack([rows, parts]), axis=1)
        assert len(pairs.T) == len(np.unique(rows)), "a digit stands in one part"
        labels = np.stack([rows, stored["label"]])
        assert len(np.unique(labels, axis=1).T) == len(rows), "below it one coat and one dress"


def test_no_digit_of_waterdigits_appears_twice_or_in_pretraining():
    row = arrays("waterdigits")["row"]
    assert len(np.unique(row)) == len(row)
    assert row.min() >= waterdigits.PRETRAINING.stop
    digit = waterdigits.digit_images()[1][row]
    assert torch.equal(digit % 2, frozen.waterdigits_features(["cnn"]).label)


def test_names_that_are_not_there_are_refused():
    with pytest.raises(ValueError, match=r"backbone must be one of cnn, .*, got 'large'"):
        frozen.dominoes_features(["large"])
    with pytest.raises(ValueError, match=r"backbone must be one of .*, got 'resnet_reads'"):
        frozen.waterdigits_features(["resnet_reads"])


def test_without_a_clone_dominoes_are_read_from_the_data_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(frozen, "DOMINOES", tmp_path / "no clone" / "dominoes" / "features.npz")
    monkeypatch.setenv("W2S_DATA", str(tmp_path))
    wanted = tmp_path / "dominoes" / "features.npz"
    with pytest.raises(FileNotFoundError, match=f"copy the file to {wanted}"):
        frozen.dominoes_features(["cnn"])
    wanted.parent.mkdir()
    wanted.symlink_to(DATA / "dominoes" / "features.npz")
    assert len(frozen.dominoes_features(["cnn"])) == 10_400


def test_what_is_saved_is_read_again_and_a_damaged_file_is_named(tmp_path: Path):
    view = torch.randn(20, 3, generator=generator()).half().float()
    number = torch.arange(20)
    seen = frozen.FrozenFeatures({"a": view}, number % 2, number % 4, number // 10)
    path = tmp_path / "seen.npz"
    frozen.save(path, seen, row=number)
    again = frozen.load(path, ["a"])
    assert torch.equal(again.features["a"], view)
    for name in ("label", "part", "attribute"):
        assert torch.equal(getattr(again, name), getattr(seen, name)), name
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ValueError, match=r"seen\.npz is damaged"):
        frozen.load(path, ["a"])


@pytest.mark.parametrize("both", [False, True])
def test_eight_bits_cost_half_a_step_of_each_direction(tmp_path: Path, both: bool):
    shape = (40, 2, 3) if both else (40, 3)
    view = torch.randn(*shape, generator=generator()) * torch.tensor([5.0, 1.0, 0.0])
    number = torch.arange(40)
    attribute = None if both else number // 20
    seen = frozen.FrozenFeatures({"a": view, "b": view[..., :1]}, number % 2, None, attribute)
    frozen.save(tmp_path / "seen.npz", seen, eight_bits=True)
    again = frozen.load(tmp_path / "seen.npz", ["b", "a"])
    step = view.flatten(0, -2).abs().amax(0) / 127
    error = (again.features["a"] - view).abs().flatten(0, -2).amax(0)
    assert (error <= 0.5001 * step + 1e-12).all()
    assert (error[:2] > 0.3 * step[:2]).all()  # the control: it is rounded
    assert torch.equal(again.features["b"], again.features["a"][..., :1])
    assert np.load(tmp_path / "seen.npz")["features.a"].dtype == np.int8


@pytest.mark.parametrize("seed", range(4))
def test_leading_directions_have_one_scale_and_one_sign(seed: int):
    view = torch.randn(200, 2, 7, generator=generator(seed), dtype=torch.float64) * 3 + 1
    pool = torch.arange(200) < 150
    for directions in (2, 7, 9):
        kept = frozen.leading(view, pool, directions)
        assert kept.shape[-1] == min(directions, 7)
        variance = kept[pool].flatten(0, 1).var(0)
        assert float(variance.sum()) == pytest.approx(kept.shape[-1], rel=1e-10)
    centred = view[pool].flatten(0, 1) - view[pool].flatten(0, 1).mean(0)
    loading = torch.linalg.lstsq(centred, kept[pool].flatten(0, 1)).solution
    largest = loading.gather(0, loading.abs().argmax(0, keepdim=True))
    assert (largest > 0).all()


def test_leading_directions_keep_what_varies_and_nothing_else():
    draws = torch.randn(500, 2, 3, generator=generator(), dtype=torch.float64)
    turn = torch.linalg.qr(torch.randn(5, 5, generator=generator(1), dtype=torch.float64)).Q
    scale = torch.tensor([9.0, 4.0, 1.0], dtype=torch.float64)
    view = (draws * scale) @ turn[:3] + 7
    pool = torch.arange(500) < 300
    kept = frozen.leading(view, pool, 3)
    # Distances are those before, up to one factor: three directions held everything.
    ratio = torch.pdist(kept.flatten(0, 1)[:50]) / torch.pdist(view.flatten(0, 1)[:50])
    assert float(ratio.max() / ratio.min()) == pytest.approx(1, abs=1e-8)
    fewer = torch.pdist(frozen.leading(view, pool, 1).flatten(0, 1)[:50])
    assert float((fewer / torch.pdist(view.flatten(0, 1)[:50])).std()) > 0.01
    for wrong in ((view[:, 0], pool, 3), (view, pool[:10], 3), (view, pool, 0)):
        with pytest.raises(ValueError, match="view must be"):
            frozen.leading(*wrong)
    with pytest.raises(ValueError, match="must vary"):
        frozen.leading(torch.ones(9, 2, 3), torch.ones(9).bool(), 2)


@pytest.mark.parametrize(("name", "facts"), [("dominoes", "features"), ("waterdigits", "five")])
def test_provenance_is_that_of_the_files(name: str, facts: str):
    told = json.loads((DATA / name / f"{facts}.json").read_text())
    assert {"command", "seed", "steps", "torch", "package", "processor_seconds"} <= set(told)
    places = {path.name: path for path in (*FILES.values(), DATA / "dominoes" / "sheet.npz")}
    for file, expected in told["sha256"].items():
        assert hashlib.sha256(places[file].read_bytes()).hexdigest() == expected
    for table in ("probes", "gains"):
        made_from = load_result(DATA / "dominoes" / f"{table}.csv").attrs["sha256"][name]
        assert made_from == told["sha256"][FILES[name].name], f"{table}.csv is of other features"


@pytest.mark.parametrize("name", FILES)
def test_probes_measured_again_with_other_heads(name: str, measure: ModuleType):
    table = load_result(DATA / "dominoes" / "probes.csv")
    for backbone in ("cnn", "convnext"):
        rows = table[(table["dataset"] == name) & (table["backbone"] == backbone)]
        found = measure.probe(name, backbone, heads=24, seed=1)
        for row in rows[rows["role"] != "worst group"].itertuples():
            # A 95 % interval of 24 heads is 2.07 standard errors to either side.
            errors = (row.high - row.mean) / 2.07, float(found[row.role].std()) / 24**0.5
            z = (float(found[row.role].mean()) - row.mean) / (
                errors[0] ** 2 + errors[1] ** 2
            ) ** 0.5
            assert abs(z) < 4, f"{backbone} {row.role}: z={z:.1f}"


def test_readme_shows_what_was_measured(measure: ModuleType):
    readme = (DATA / "dominoes" / "README.md").read_text()
    results = [load_result(DATA / "dominoes" / f"{name}.csv") for name in ("probes", "gains")]
    for table in measure.tables(*results):
        assert table in readme


def test_the_whole_way_runs_on_real_images(
    tmp_path: Path, data_folder: Path, monkeypatch: pytest.MonkeyPatch
):
    names = ("images-idx3", "labels-idx1")
    files = [f"{data}/train-{n}-ubyte" for data in ("mnist", "fashion_mnist") for n in names]
    real_data(data_folder, monkeypatch, *files)
    make = script("dominoes/make")
    sizes, steps = dict.fromkeys(frozen.PARTS, 24), dict.fromkeys(make.RECIPES, 1)
    make.main(tmp_path, sizes, steps, tmp_path)
    seen = frozen.load(tmp_path / "features.npz", frozen.BACKBONES)
    assert len(seen) == 4 * 24
    told = json.loads((tmp_path / "features.json").read_text())
    content = (tmp_path / "features.npz").read_bytes()
    assert told["sha256"]["features.npz"] == hashlib.sha256(content).hexdigest()
    data = make.source()
    garments, digits = make.reserved(data)
    chosen = make.deal(data, make.SIZES)
    assert not torch.isin(chosen.garment, garments).any()
    assert not torch.isin(chosen.digit, digits).any()
    stored = arrays("dominoes")
    assert np.array_equal(stored["garment"], chosen.garment), "the files are of these images"
    assert np.array_equal(stored["digit"], chosen.digit)
