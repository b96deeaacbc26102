from __future__ import annotations

import re

import pytest
from helpers_data import real_data

from w2s_tutorial.datasets.catalog import CATALOG
from w2s_tutorial.datasets.downloads import fetch


def test_the_table_is_complete_and_well_formed():
    for name, dataset in CATALOG.items():
        assert dataset.homepage, name
        assert dataset.licence, name
        assert re.search(r"\((19|20)\d\d\)", dataset.citation), name
        for file in dataset.files.values():
            source = file.archive or file
            assert source.urls, file
            assert all(re.match("https?://", url) for url in source.urls)
            assert not file.path.startswith("/")
            digits = {"md5": 32, "sha256": 64}
            for described in {file, source}:
                if described.hash is not None:
                    algorithm, value = described.hash.split(":")
                    assert re.fullmatch(f"[0-9a-f]{{{digits[algorithm]}}}", value)
    unverified = [f.path for d in CATALOG.values() for f in d.files.values() if f.hash is None]
    assert unverified == ["waterbirds/waterbird_complete95_forest2water2.tar.gz"]


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "sst2", "esol", "freesolv"])
def test_real_files_are_used_where_they_lie(data_folder, monkeypatch, name):
    files = CATALOG[name].files.values()
    root = real_data(data_folder, monkeypatch, *(file.path for file in files))
    for file in files:
        assert fetch(file).parent == (root / file.path).parent
