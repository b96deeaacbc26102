"""Weights of trained backbones on disk: npz files that say how to build and how they were made."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from w2s_tutorial.networks.backbones import Backbone, assemble
from w2s_tutorial.storage import replacing


def save(
    network: Backbone, path: Path | str, *, dtype: torch.dtype = torch.float32, **facts: Any
) -> None:
    """Write a backbone: its weights, its recipe, and facts about them.

    Args:
        network: from `backbones.build` or `molecular.build`.
        dtype: to store weights in; float16 takes half the room, and rounds them by 5e-4.
        facts: what a reader should know (data, command, versions, seed), as JSON can hold it.
    """
    about = json.dumps({"recipe": network.recipe, "facts": facts}, sort_keys=True)
    weights = {name: w.to("cpu", dtype).numpy() for name, w in network.state_dict().items()}
    with replacing(Path(path)) as partial, partial.open("wb") as target:
        np.savez(target, about=np.array(about), **weights)


def load(path: Path | str, *, structure: Callable[..., Backbone] = assemble) -> Backbone:
    """A backbone as `save` stored it, in float32, on the CPU, in evaluation mode.

    Nothing is unpickled.

    Args:
        structure: recipe -> network on the meta device: `backbones.assemble` for images,
            `molecular.assemble` for molecules.

    Raises:
        ValueError: if the file was not written by `save`.
    """
    about, weights = _read(path)
    network = structure(**about["recipe"])
    network.load_state_dict(weights, assign=True)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network.eval()


def facts(path: Path | str) -> dict[str, Any]:
    """What `save` was told about the weights in a file."""
    return _read(path)[0]["facts"]


def _read(path: Path | str) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as stored:
        if "about" not in stored:
            raise ValueError(
                f"{path} must be a file of weights with the entry 'about', it has none"
            )
        names = [name for name in stored.files if name != "about"]
        weights = {name: torch.from_numpy(stored[name]).float() for name in names}
        return json.loads(stored["about"].item()), weights
