"""What a stored result says of its origin changes when its origin does."""

import json
from pathlib import Path

import pytest

import w2s_tutorial
from w2s_tutorial import metrics, storage


@pytest.fixture
def made(tmp_path: Path) -> dict[str, Path]:
    files = {name: tmp_path / f"{name}.txt" for name in ("code", "input")}
    for path in files.values():
        path.write_text("abc")
    return files


def test_it_says_how_and_on_what(made: dict[str, Path]):
    facts = storage.describe(
        "python make.py", code=[made["code"]], files={"in": made["input"]}, seed=3
    )
    # SHA-256 of "abc", as FIPS 180-2 prints it.
    abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert facts["source_sha256"] == facts["sha256"]["in"] == abc
    assert (facts["command"], facts["seed"]) == ("python make.py", 3)
    assert facts["package"] == w2s_tutorial.__version__
    assert facts["device"]
    assert storage.describe("x", device="abacus")["device"] == "abacus", "the caller knows best"
    assert not {"sha256", "source_sha256"} & set(storage.describe("x"))


def test_a_byte_of_any_source_changes_the_hash(made: dict[str, Path]):
    def source(*code):
        return storage.describe("x", code=code)["source_sha256"]

    before = source(metrics, made["code"])
    assert source(metrics, made["code"]) == before
    assert source(made["code"]) != before, "modules count"
    made["code"].write_text("abd")
    assert source(metrics, made["code"]) != before


def test_facts_are_saved_whole(tmp_path: Path):
    storage.save_json(tmp_path / "new" / "facts.json", {"seed": 1})
    assert json.loads((tmp_path / "new" / "facts.json").read_text()) == {"seed": 1}
    with pytest.raises(TypeError):
        storage.save_json(tmp_path / "new" / "facts.json", {"seed": object()})
    assert json.loads((tmp_path / "new" / "facts.json").read_text()) == {"seed": 1}
    with pytest.raises(ValueError, match=r"path must end in \.json, got facts\.csv"):
        storage.save_json(tmp_path / "facts.csv", {})
