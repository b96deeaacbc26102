"""The committed weights and results of waterdigits: known again, remade, measured again."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from helpers_data import ROOT, script

from w2s_tutorial.datasets import waterdigits
from w2s_tutorial.tables import load_result

FOLDER = ROOT / "data" / "waterdigits"
STORED = (waterdigits.WEIGHTS, FOLDER / "reference.npz")


@pytest.fixture(scope="module")
def make() -> ModuleType:
    return script("waterdigits/make")


@pytest.fixture(scope="module")
def measure() -> ModuleType:
    return script("waterdigits/measure")


@pytest.fixture(scope="module")
def reference() -> dict[str, np.ndarray]:
    with np.load(FOLDER / "reference.npz", allow_pickle=False) as stored:
        return dict(stored)


@pytest.mark.parametrize("name", waterdigits.BACKBONES)
def test_the_weights_give_the_stored_features(name: str, reference: dict[str, np.ndarray]):
    images = torch.from_numpy(reference["images"]) / 255
    found, stored = waterdigits.backbone(name)(images), torch.from_numpy(reference[name])
    assert found.shape == (16, 2, waterdigits.BACKBONES[name][1])
    # Sums of up to 1,024 float32 products, in whichever order the processor takes them.
    torch.testing.assert_close(found, stored, atol=1e-4, rtol=1e-4)
    # Control: one grey level more in the images is seen.
    assert not torch.allclose(waterdigits.backbone(name)(images + 1 / 255), stored, atol=1e-4)


def test_composites_are_those_of_the_reference(reference: dict[str, np.ndarray]):
    # Decoders of JPEG may differ by a grey level, rounding adds a half.
    composites = waterdigits.compose(seed=torch.Generator().manual_seed(0)).images[:16]
    stored = torch.from_numpy(reference["images"]) / 255
    assert float((composites - stored).abs().max()) < 2 / 255


def test_backbones_are_frozen_and_take_any_leading_shape():
    strong = waterdigits.backbone("strong")
    images = torch.rand(6, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    assert not any(p.requires_grad for p in strong.parameters())
    assert not strong.training
    flat = strong(images)
    torch.testing.assert_close(strong(images.view(2, 3, 3, 16, 16)), flat.view(2, 3, -1))
    assert strong.clean(images.view(2, 3, 3, 16, 16)).shape == (2, 3, 8, 8)


def test_strong_paints_digits_better_than_pixels_do():
    composites = waterdigits.compose(seed=torch.Generator().manual_seed(1))
    truth = waterdigits.digit_images()[0][waterdigits.DOWNSTREAM][:, None]
    error = {
        name: float((waterdigits.backbone(name).clean(composites.images) - truth).square().mean())
        for name in waterdigits.BACKBONES
    }
    assert error["strong"] < error["small"] < error["tiny"]
    assert error["strong"] < error["pixels"]
    assert error["strong"] < float((truth - truth.mean(0)).square().mean())  # the mean digit


def test_an_unknown_backbone_is_refused():
    with pytest.raises(ValueError, match=r"name must be one of pixels, tiny, .*, got 'large'"):
        waterdigits.backbone("large")


@pytest.mark.parametrize("shape", [(3, 16, 16), (5, 1, 16, 16), (5, 3, 8, 8)])
def test_images_of_another_shape_are_refused(shape: tuple[int, ...]):
    network = waterdigits.backbone("tiny")
    for method in (network, network.clean):
        with pytest.raises(ValueError, match=r"images must be \(\.\.\., n, 3, 16, 16\), got shape"):
            method(torch.zeros(shape))


def test_provenance_is_that_of_the_weights():
    facts = json.loads((FOLDER / "weights.json").read_text())
    content = waterdigits.WEIGHTS.read_bytes()
    assert facts["sha256"] == {waterdigits.WEIGHTS.name: hashlib.sha256(content).hexdigest()}
    assert {"command", "date", "seconds", "device", "seed", "torch", "package"} <= set(facts)
    for name in ("measured", "alternatives", "seeds"):
        made_from = load_result(FOLDER / f"{name}.csv").attrs["sha256"]
        assert made_from == facts["sha256"], f"{name}.csv was measured on other weights"
    assert sum(path.stat().st_size for path in STORED) < 300_000


def test_a_short_remake_runs_and_repeats_itself(
    make: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    few = dict.fromkeys(waterdigits.BACKBONES, 3)
    for run in ("first", "second"):
        (tmp_path / run).mkdir()
        make.main(tmp_path / run, tmp_path / run / "weights.safetensors", few)
    content = [(tmp_path / run / "weights.safetensors").read_bytes() for run in ("first", "second")]
    assert content[0] == content[1]
    monkeypatch.setattr(waterdigits, "WEIGHTS", tmp_path / "first" / "weights.safetensors")
    images = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    for name, (_, features) in waterdigits.BACKBONES.items():
        assert waterdigits.backbone(name)(images).shape == (4, features)
    assert json.loads((tmp_path / "first" / "weights.json").read_text())["steps"] == few


def test_pretraining_reads_its_own_digits_and_standardises_on_them(make: ModuleType):
    _, row, photograph = make.batch(5000, torch.Generator().manual_seed(0))
    assert set(row.tolist()) == set(range(386))
    assert set(photograph.tolist()) == {0, 1}
    for name in waterdigits.BACKBONES:
        features = waterdigits.backbone(name)(make.batch(4096, torch.Generator().manual_seed(1))[0])
        # 4,096 correlated draws here and 4,096 there: a tenth of a deviation is many errors.
        assert float(features.mean(0).abs().max()) < 0.1
        assert float((features.std(0) - 1).abs().max()) < 0.1


def test_measured_again_with_other_splits(measure: ModuleType):
    """Two settings, another seed: all roles agree with measured.csv by their own errors."""
    table = load_result(FOLDER / "measured.csv").set_index(measure.AXES)
    for setting in (("distracted", 100, 400, 0.25, 0.25), ("distracted", 100, 400, 0.1, 0.5)):
        stored = table.loc[setting].set_index("role")
        found = measure.run(*setting, heads=24, seed=1)
        for role in ("weak", "student", "baseline", "ceiling", "gain"):
            row = stored.loc[role]
            # A 95 % interval of 64 heads is 2.00 standard errors to either side.
            errors = (row["high"] - row["mean"]) / 2, float(found[role].std()) / 24**0.5
            z = (float(found[role].mean()) - row["mean"]) / (errors[0] ** 2 + errors[1] ** 2) ** 0.5
            assert abs(z) < 4, f"{setting} {role}: z={z:.1f}"


def test_what_the_data_are_for(measure: ModuleType):
    """Four roles in order; more pseudolabels help; an equal teacher has nothing to give."""
    found = measure.run("distracted", 100, 400, 0.25, 0.25, heads=32, seed=2)
    pairs = [("weak", "student"), ("student", "baseline"), ("baseline", "ceiling")]
    for lower, higher in pairs:
        gap = found[higher] - found[lower]
        assert float(gap.mean()) > 2 * float(gap.std()) / 32**0.5, f"{lower} < {higher}"
    assert float(found["weak"].mean()) > 0.65
    few = measure.run("distracted", 100, 50, 0.25, 0.25, heads=32, seed=2)["gain"]
    more = float(found["gain"].mean() - few.mean())
    assert more > 2 * float(found["gain"].var() + few.var()) ** 0.5 / 32**0.5
    control = measure.run("strong", 100, 400, 0.25, 0.25, heads=32, seed=2)["gain"]
    assert abs(float(control.mean() / (control.std() / 32**0.5))) < 4


def test_readme_shows_what_was_measured(measure: ModuleType):
    table = measure.markdown(load_result(FOLDER / "measured.csv"))
    assert table in (FOLDER / "README.md").read_text()
