"""One setting of a sweep: its random stream, its key, and the file that holds its result."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import w2s_tutorial
from w2s_tutorial.storage import content_key, replacing


def generator_for(setting: Mapping[str, Any], *, seed: int = 0) -> torch.Generator:
    """A new CPU generator whose stream depends on the setting's content and on nothing else.

    It is the same in every process, on every machine and in any order of the settings. Two
    settings that should share their draws (the same data, two losses) name the same part.

    Args:
        setting: name -> number, text, None, tensor, array, dataclass, or sequences and mappings
            of these. Names may come in any order; 1 and numpy's 1 are the same, 1 and 1.0 not.
        seed: another one gives another, independent set of streams.

    Raises:
        ValueError: for a value without content that could be compared, such as a function.
    """
    key = content_key(_content(setting), _plain(seed))
    return torch.Generator().manual_seed(int(key[:16], 16))


def result_files(
    folder: Path,
    run: Callable[..., Any],
    settings: Sequence[Mapping[str, Any]],
    fixed: Mapping[str, Any],
    version: str,
) -> list[Path]:
    """Where each setting's result belongs; the name changes with anything that could change it.

    That is the setting, `fixed`, the name of `run`, `version`, and the package's version.

    Raises:
        ValueError: if version is empty, run has no name of its own, folder is a file, or a value
            has no content that could be compared.
    """
    if not version:
        raise ValueError("version must say which state of run's code is stored, got ''")
    if not inspect.isfunction(run) or "<" in run.__qualname__:
        raise ValueError(
            "with a store, run must be a function defined by name at the top of its module, "
            f"got {run!r}: hand over what it needs by keyword"
        )
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"store must be a folder, got the file {folder}")
    name = [w2s_tutorial.__version__, run.__module__, run.__qualname__, version]
    common = content_key(*name, _content(fixed))
    return [folder / f"{content_key(common, _content(setting))}.npz" for setting in settings]


def finish(
    run: Callable[..., Mapping[str, Tensor]],
    setting: Mapping[str, Any],
    path: Path | None,
    /,
    **fixed: Any,
) -> dict[str, np.ndarray]:
    """Run a setting, check its result, role -> (h,) values, and keep it where there is a path.

    Raises:
        ValueError: if a result is not one value per head.
    """
    # A cluster that lost a worker asks again for what that worker had finished.
    if path is not None and (stored := load(path)) is not None:
        return stored
    try:
        returned = run(**setting, **fixed)
    except Exception as problem:
        problem.add_note(f"run failed at {setting}")
        raise
    result = {}
    for role, values in returned.items():
        if values.dim() != 1:
            shape = tuple(values.shape)
            raise ValueError(f"run must return (h,) values, got {shape} for {role} at {setting}")
        result[role] = values.detach().cpu().numpy()
    if path is not None:
        keep(path, setting, result)
    return result


def load(path: Path) -> dict[str, np.ndarray] | None:
    """What `keep` wrote; None if there is nothing. A damaged file is removed, with a warning."""
    if not path.exists():
        return None
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            # The roles are listed: a damaged directory of the archive can hide a whole member.
            return {str(role): stored[f"role {role}"] for role in stored["roles"]}
    except Exception as problem:  # a damaged archive can fail in any part of its reader
        warnings.warn(f"{path} is damaged, its setting runs again: {problem}", stacklevel=3)
        path.unlink(missing_ok=True)
        return None


def keep(path: Path, setting: Mapping[str, Any], result: Mapping[str, np.ndarray]) -> None:
    """Write role -> (h,) values, whole or not at all, and the setting as text for a reader."""
    members: dict[str, Any] = {f"role {role}": values for role, values in result.items()}
    members["roles"] = np.array(list(result), dtype=str)
    members["setting"] = np.array(repr(dict(setting)))
    with replacing(path) as partial, partial.open("wb") as target:
        np.savez(target, **members)


def _content(values: Mapping[str, Any]) -> str:
    parts = []
    for name in sorted(values):
        try:
            parts += [name, content_key(_plain(values[name]))]
        except ValueError as problem:
            raise ValueError(f"{name} must have content that can be compared: {problem}") from None
    return content_key(*parts)


def _plain(value: Any) -> Any:
    # Equal settings must have equal content, whoever made the numbers and in whatever order.
    if isinstance(value, np.generic):
        return value.item()
    if is_dataclass(value) and not isinstance(value, type):
        parts = {field.name: getattr(value, field.name) for field in fields(value)}
        return [type(value).__qualname__, _plain(parts)]
    if isinstance(value, Mapping):
        return [[_plain(name), _plain(value[name])] for name in sorted(value, key=str)]
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_plain(item) for item in value]
    return value
