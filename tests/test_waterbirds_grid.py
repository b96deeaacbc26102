"""From photographs with groups to a grid: parts that never meet, exact shares, the real table."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
import torch
from helpers_data import real_data
from PIL import Image
from torch import nn

from w2s_tutorial.datasets import grouped, photographs
from w2s_tutorial.datasets.image_files import ImageFiles
from w2s_tutorial.sweeps import load_result

SCRIPT = Path(__file__).parents[1] / "data" / "spurious" / "waterbirds.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("spurious_waterbirds", SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def toy() -> grouped.GroupedFeatures:
    """Groups of 400, 60, 40 and 200; each example's only feature is its number."""
    group = torch.repeat_interleave(torch.arange(4), torch.tensor([400, 60, 40, 200]))
    part = grouped.deal(group, labeled=0.25, seed=generator())
    number = torch.arange(len(group), dtype=torch.float64)[:, None]
    return grouped.GroupedFeatures({"number": number}, group // 2, group % 2, part)


def test_every_group_is_dealt_in_the_same_proportion_and_parts_never_meet(toy):
    for g, n in enumerate((400, 60, 40, 200)):
        assert int((toy.part[toy.group == g] == 0).sum()) == n // 4
    sizes, minority = {"labeled": 40, "pool": 100}, {"labeled": 0.5, "pool": 0.3}
    asked = {"sizes": sizes, "minority": minority, "heads": 5}
    drawn = grouped.draw(toy, "number", "number", **asked, seed=generator())
    for part, sample in drawn.items():
        odd_one = torch.isin(sample.group, torch.tensor([1, 2])).sum(-1)
        assert (odd_one == round(minority[part] * sizes[part])).all()
        number = sample.strong[..., 0].long()
        assert torch.equal(sample.group, toy.group[number])
        assert torch.equal(sample.target.argmax(-1), toy.label[number])
        assert all(len(row.unique()) == sizes[part] for row in number)
        assert not torch.equal(number[0].sort()[0], number[1].sort()[0]), "heads differ"
    known, pool = (drawn[part].strong.flatten() for part in sizes)
    assert not torch.isin(known, pool).any()


def test_what_is_not_there_is_refused(toy):
    good = {"sizes": {"pool": 20}, "minority": {"pool": 0.5}, "heads": 1}
    for change, message in (
        ({"sizes": {"pool": 200}}, "100 minority pool examples are asked for, there are 75"),
        ({"sizes": {"pol": 20}, "minority": {"pol": 0.5}}, "part must be one of labeled, pool"),
        ({"sizes": {"labeled": 20}}, "sizes and minority must name the same parts"),
        ({"minority": {"pool": 1.5}}, r"minority in \[0, 1\], got 20, 1 and 1.5"),
    ):
        with pytest.raises(ValueError, match=message):
            grouped.draw(toy, "number", "number", **good | change, seed=generator())
    with pytest.raises(ValueError, match="backbone must be one of number, got 'clip'"):
        grouped.draw(toy, "clip", "number", **good, seed=generator())
    with pytest.raises(ValueError, match=r"labeled must lie in \(0, 1\), got 1"):
        grouped.deal(toy.group, labeled=1, seed=generator())
    for change in ({"label": toy.label[:9]}, {"features": {}}, {"attribute": toy.attribute + 1}):
        with pytest.raises(ValueError, match=r"label's|at least 1 backbone|must be 0 or 1"):
            replace(toy, **change)


def random_network(name: str) -> nn.Module:
    """A backbone that nobody trained: "poor" averages over the whole picture, "rich" does not."""
    cells = {"poor": 1, "rich": 3}[name]
    body = nn.Sequential(
        nn.Conv2d(3, 12, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(cells), nn.Flatten()
    )
    with torch.no_grad():
        for parameter in body.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator()) / 2)
    return body


def paint(path: Path, label: int, place: int, shade: int) -> None:
    """A bright or dark bird, not always clear, before green or blue."""
    picture = np.full((32, 32, 3), ((40, 120, 40), (40, 40, 120))[place], np.uint8)
    picture[11:21, 11:21] = (60, 200)[label] + shade
    Image.fromarray(picture).save(path, quality=95)


def test_the_real_table_goes_all_the_way(data_folder, tmp_path, monkeypatch, script, capsys):
    table = real_data(data_folder, monkeypatch, "waterbirds/metadata.csv") / "waterbirds"
    found = next(table.glob("metadata.csv*"))
    (tmp_path / found.name).write_bytes(found.read_bytes())
    birds = pd.read_csv(found)
    names = ("img_filename", "place") if "place" in birds else ("filename", "a")
    shades = np.random.default_rng(0).integers(-4, 5, len(birds)) * 15
    for file, label, place, shade in zip(
        birds[names[0]], birds["y"], birds[names[1]], shades, strict=True
    ):
        source = tmp_path / f"{label} {place} {shade}.jpg"
        if not source.exists():
            paint(source, label, place, shade)
        target = tmp_path / file
        target.parent.mkdir(parents=True, exist_ok=True)
        target.hardlink_to(source)

    def small(split, *, root):
        read = whole(split, root=root)
        return replace(read, images=ImageFiles(read.images.files, 32, 32))

    whole = photographs.waterbirds
    monkeypatch.setattr(photographs, "waterbirds", small)
    options = {"root": tmp_path, "make": random_network, "device": "cpu"}
    monkeypatch.setattr(script, "ETAS", (0.05, 0.3, 0.5))
    script.main("poor", "rich", tmp_path / "out", heads=4, **options)
    assert "0.05" in capsys.readouterr().out
    made = load_result(tmp_path / "out" / "waterbirds.csv")
    pairs = [("poor", "rich"), ("poor", "poor"), ("rich", "rich")]
    assert set(zip(made["weak"], made["strong"], strict=True)) == set(pairs)
    assert len(made) == 3 * 9 * 6, "pairs, mixtures, places"
    seen = script.features_of(["poor", "rich"], **options)
    assert len(seen) == 11_788
    assert seen.part.bincount().tolist() == [1498, 4496, 0, 5794], "a quarter of each group"
    assert len(list((tmp_path / "features").glob("waterbirds-*.npz"))) == 6, "kept, not made again"
    half = {"minority_labeled": (0.05, 0.5), "minority_pool": (0.5,), "heads": 4}
    table = script.measure(seen, "poor", "rich", **half)
    right = table[(table["measure"] == "accuracy") & (table["role"] == "baseline")]
    by_group = (
        right[right["strong"] == "rich"].groupby(["minority_labeled", "where"])["value"].mean()
    )
    # Rare minorities cost the groups 1 and 2 what background and bird tell apart in 0 and 3.
    gap = {share: by_group[share]["0"] + by_group[share]["3"] - by_group[share]["1"]
           - by_group[share]["2"] for share in (0.05, 0.5)}  # fmt: skip
    assert gap[0.05] > gap[0.5] + 0.2
