"""From photographs with groups to a grid: parts that never meet, exact shares, the real table."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import ModuleType

import helpers_data
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import nn

from w2s_tutorial.tables import load_result


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return helpers_data.script("spurious/waterbirds")


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_every_group_is_dealt_in_the_same_proportion_to_the_nearest_example(script):
    group = torch.repeat_interleave(torch.arange(4), torch.tensor([400, 60, 43, 203]))
    part = script.deal(group, labeled=0.25, seed=0)
    # 43 / 4 = 10.75 and 203 / 4 = 50.75: rounded, not cut.
    assert [int((part[group == g] == 0).sum()) for g in range(4)] == [100, 15, 11, 51]
    assert set(part.tolist()) == {0, 1}
    assert not torch.equal(part, script.deal(group, labeled=0.25, seed=1)), "at random"


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
    table = (
        helpers_data.real_data(data_folder, monkeypatch, "waterbirds/metadata.csv") / "waterbirds"
    )
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
        return replace(read, images=script.photographs.ImageFiles(read.images.files, 32, 32))

    whole = script.photographs.waterbirds
    monkeypatch.setattr(script.photographs, "waterbirds", small)
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
