"""Settings times heads -> a tidy table, on one machine or a cluster; finished settings are kept."""

from __future__ import annotations

import inspect
import json
import warnings
from collections.abc import Callable, Mapping, Sequence, Sized
from contextlib import suppress
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

import w2s_tutorial
from w2s_tutorial._arrays import plain
from w2s_tutorial._tables import listed
from w2s_tutorial.progress import progress
from w2s_tutorial.storage import code_key, content_key, load_arrays, save_arrays, setting_key

Key = tuple[Any, ...]
Result = dict[Key, np.ndarray]


def sweep(
    run: Callable[..., Mapping[Any, Any]],
    axes: Mapping[Any, Sequence[Any]],
    *,
    keys: Sequence[str] = ("role",),
    store: Path | str | None = None,
    version: str = "",
    **fixed: Any,
) -> pd.DataFrame:
    """Call run at every combination of the axes; a row for every setting, key and head.

        sweep(run, {("weak", "strong"): [("cnn", "resnet")], "n": [10, 20]}, keys=("role", "where"))

    Settings run one after the other in this process, in the order of the table, unless
    `joblib.parallel_config` says otherwise: `parallel_config(n_jobs=-1)` spreads them over the
    processors, `parallel_config(backend="dask")` over a cluster. Wherever they run, the table is
    the same if `run` draws from `storage.generator_for` of its setting. The heads of a setting
    are one call's work; an axis that numbers blocks of heads spreads them as well.

    Args:
        run: takes one value of each axis, and `fixed`, by keyword; returns a mapping to (h,)
            values (tensor, array or list; a number is one head), from a role, or whatever `keys`
            name: a tuple where there are several.
        axes: name -> its values; a tuple of names has tuples of values.
        keys: columns for what `run` names its values by.
        store: folder that keeps every finished setting, written by the process that finished it
            (on a cluster, a folder that all machines see). What a sweep finds there it does not
            run again. Needs a `run` that is defined by name at the top of a module, script or
            notebook; of the last two its code counts, with all that it reads there.
        version: with a store, the state of run's code; all settings run again when it changes.
        fixed: passed to every call.

    Returns:
        Columns: the axes, the keys, `head`, `value`.

    Raises:
        ValueError: if an axis is empty, repeats a value or has a name that is taken, a result is
            not one value per head, or run draws from a generator that outlives its call although
            settings are stored or run side by side; with a store, if version is empty, run has no
            name of its own, the store is no folder, or a value has no content that could be
            compared. What run raises is passed on with its setting in a note; settings finished
            by then are kept.
    """
    from joblib import Parallel, delayed, effective_n_jobs
    from joblib.parallel import get_active_backend

    columns = tuple(listed("keys", keys))
    settings = _settings(axes, columns, fixed)
    if store is not None or effective_n_jobs(None) != 1:
        _refuse_shared_generators(run, fixed)
    paths: Sequence[Path | None] = [None] * len(settings)
    if store is not None:
        folder = Path(store).resolve()
        paths = _result_files(folder, run, settings, {"keys": columns, **fixed}, version)
    kept = {n: found for n, path in enumerate(paths) if path and (found := _load(path)) is not None}
    missing = [n for n in range(len(settings)) if n not in kept]
    unordered = get_active_backend()[0].supports_return_generator
    # All at once, because workers may join a cluster late; singly, so that each is stored.
    finished = Parallel(
        batch_size=1,
        pre_dispatch="all",
        return_as="generator_unordered" if unordered else "list",
    )(delayed(_numbered)(n, run, columns, settings[n], paths[n], **fixed) for n in missing)
    for n, result in progress(finished, of="settings", total=len(missing)):
        kept[n], path = result, paths[n]
        if path and not path.exists():  # the worker has a disk of its own
            _keep(path, settings[n], result)
    rows = [(settings[n], key, kept[n][key]) for n in range(len(settings)) for key in kept[n]]
    names = [{**setting, **dict(zip(columns, key, strict=True))} for setting, key, _ in rows]
    lengths = [len(values) for *_, values in rows]
    table = pd.DataFrame(names).iloc[np.repeat(np.arange(len(rows)), lengths)]
    table = table.reset_index(drop=True)
    table["head"] = np.concatenate([np.arange(length) for length in lengths])
    table["value"] = np.concatenate([values for *_, values in rows])
    return table


def _settings(
    axes: Mapping[Any, Sequence[Any]], keys: Key, fixed: Mapping[str, Any]
) -> list[dict[str, Any]]:
    taken = [*keys, "head", "value", *fixed]
    axes = {axis: listed(f"axis {axis}", choices) for axis, choices in axes.items()}
    for axis, choices in axes.items():
        names = axis if isinstance(axis, tuple) else (axis,)
        if len(choices) == 0:
            raise ValueError(f"axis {axis} needs at least 1 value, got 0")
        wrong = [c for c in choices if not isinstance(c, Sized) or len(c) != len(names)]
        if axis is names and wrong:
            raise ValueError(f"axis {axis} needs tuples of {len(names)} values, got {wrong[0]!r}")
        with suppress(TypeError):  # what has no hash, a list for instance, is not compared
            if len(set(choices)) < len(choices):
                raise ValueError(f"axis {axis} must have each value once, got {choices}")
        for name in names:
            if name in taken:
                raise ValueError(f"axis {name} must have another name: this one is taken")
            taken.append(name)
    settings = []
    for values in product(*axes.values()):
        setting: dict[str, Any] = {}
        for axis, value in zip(axes, values, strict=True):
            setting |= zip(axis, value, strict=True) if isinstance(axis, tuple) else {axis: value}
        settings.append(setting)
    return settings


def _numbered(n: int, /, *task: Any, **fixed: Any) -> tuple[int, Result]:
    return n, _finish(*task, **fixed)


def _finish(
    run: Callable[..., Mapping[Any, Any]],
    keys: Key,
    setting: Mapping[str, Any],
    path: Path | None,
    /,
    **fixed: Any,
) -> Result:
    # A cluster that lost a worker asks again for what that worker had finished.
    if path is not None and (stored := _load(path)) is not None:
        return stored
    try:
        returned = run(**setting, **fixed)
    except Exception as problem:
        problem.add_note(f"run failed at {setting}")
        raise
    if not isinstance(returned, Mapping) or not returned:
        raise ValueError(f"run must return name -> (h,) values, got {returned!r} at {setting}")
    result = {}
    for name, values in returned.items():
        key = name if isinstance(name, tuple) else (name,)
        key = tuple(part.item() if isinstance(part, np.generic) else part for part in key)
        if len(key) != len(keys) or not all(isinstance(p, str | int | float) for p in key):
            raise ValueError(f"run must name values by {' and '.join(keys)}, got {name!r}")
        result[key] = _values(values, f"for {name} at {setting}")
    if path is not None:
        _keep(path, setting, result)
    return result


def _values(values: Any, where: str) -> np.ndarray:
    try:
        found = np.asarray(plain(values))
    except (TypeError, ValueError) as problem:  # ragged lists, types that numpy lacks
        raise ValueError(f"run must return (h,) values, got {values!r} {where}") from problem
    if found.dtype.kind not in "biuf":
        raise ValueError(f"run must return numbers, got {found.dtype} {where}")
    if found.ndim > 1:
        raise ValueError(f"run must return (h,) values, got {found.shape} {where}")
    return np.atleast_1d(found)


# Stored settings ------------------------------------------------------------------------------


def _result_files(
    folder: Path,
    run: Callable[..., Any],
    settings: Sequence[Mapping[str, Any]],
    fixed: Mapping[str, Any],
    version: str,
) -> list[Path]:
    """Where each setting's result belongs; the name changes with anything that could change it."""
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
    if run.__module__ == "__main__":
        name.append(code_key(run, strict=True))
    common = content_key(*name, setting_key(fixed))
    return [folder / f"{content_key(common, setting_key(setting))}.npz" for setting in settings]


def _load(path: Path) -> Result | None:
    """What `_keep` wrote; None if there is nothing. A damaged file is removed, with a warning."""
    if path.is_dir():
        raise ValueError(f"{path} must be a stored result, got a folder: remove it")
    try:
        arrays = load_arrays(path)
        about = json.loads(str(arrays["about"]))
        if about["file"] != path.name:
            raise ValueError(f"it holds the result of {about['setting']}, of another name")
        # The keys are listed: a damaged directory of the archive can hide a whole member.
        return {tuple(key): arrays[f"values {n}"] for n, key in enumerate(about["keys"])}
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as problem:
        warnings.warn(
            f"{path} is damaged, its setting runs again: {problem}", UserWarning, stacklevel=3
        )
        path.unlink(missing_ok=True)
        return None


def _keep(path: Path, setting: Mapping[str, Any], result: Result) -> None:
    """Write a setting's result, whole or not at all, with the setting as text for a reader."""
    about = json.dumps({"file": path.name, "setting": repr(dict(setting)), "keys": [*result]})
    arrays = {f"values {n}": values for n, values in enumerate(result.values())}
    save_arrays(path, {"about": np.array(about), **arrays})


# What a function reads besides its arguments ---------------------------------------------------


def _around(run: Any) -> dict[str, Any]:
    """Globals, closure, defaults and bound arguments of a function, by name."""
    found: dict[str, Any] = {}
    while isinstance(run, partial):
        found |= {str(n): value for n, value in enumerate(run.args)} | run.keywords
        run = run.func
    if not inspect.isfunction(plain := inspect.unwrap(run)):
        return found
    names, codes = set(), [plain.__code__]
    while codes:  # comprehensions and inner functions have code of their own
        code = codes.pop()
        names |= set(code.co_names)
        codes += [part for part in code.co_consts if inspect.iscode(part)]
    found |= {name: plain.__globals__[name] for name in names & set(plain.__globals__)}
    found |= inspect.getclosurevars(plain).nonlocals
    parameters = inspect.signature(plain).parameters.values()
    return found | {p.name: p.default for p in parameters if p.default is not p.empty}


def _refuse_shared_generators(run: Callable[..., Any], fixed: Mapping[str, Any]) -> None:
    for name, value in {**_around(run), **fixed}.items():
        if isinstance(value, torch.Generator):
            raise ValueError(
                f"{name} must not be a generator when settings are stored or run side by side: "
                "results would depend on their order; use generator_for in run"
            )
