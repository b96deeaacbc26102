"""Anybody's arrays as tensors: numpy, pandas, torch or nested lists, with errors that name them."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor


def check_tensor(name: str, value: Any) -> None:
    """Refuse what is no dense tensor of real numbers with values, by a TypeError."""
    if not isinstance(value, Tensor):
        came = type(value).__name__
        raise TypeError(f"{name} must be a torch.Tensor (see Sample.from_arrays), got {came}")
    if value.layout != torch.strided or value.is_complex() or value.is_meta:
        came = f"{value.layout} {value.dtype} on {value.device}"
        raise TypeError(f"{name} must be dense and hold real numbers, got {came}")


def check_rows(**given: Any) -> None:
    """Refuse tables of pandas whose rows have the same names in another order.

    Rows are taken by their place, as scikit-learn does it, and would not belong together.
    """
    named = {name: v.index for name, v in given.items() if isinstance(v, pd.DataFrame | pd.Series)}
    for name, index in named.items():
        first = next(iter(named))
        other = named[first]
        if len(index) == len(other) and not index.equals(other) and set(index) == set(other):
            raise ValueError(f"{name} must have its rows in the order of {first}: use .loc")


def plain(value: Any) -> Any:
    """A dense tensor as numpy has it, which lacks bfloat16; anything else as it came."""
    if not isinstance(value, Tensor):
        return value
    value = value.detach().cpu()
    return (value.float() if value.dtype == torch.bfloat16 else value).numpy()


def labels(name: str, value: Any, examples: Sequence[int] = ()) -> NDArray[Any]:
    """Labels (n,) or (h, n) as numpy has them; examples: n, where it is known.

    Raises:
        TypeError: if they are sparse, or neither strings, numbers nor booleans.
        ValueError: if one is missing, or the shape is another.
    """
    if hasattr(value, "tocsr") or (isinstance(value, Tensor) and value.layout != torch.strided):
        raise TypeError(f"{name} must be dense, got {type(value).__name__}: use .toarray()")
    value = plain(value)
    try:
        array = np.asanyarray(value)
    except ValueError:
        raise ValueError(f"{name} must be (n,) or (h, n), got rows of several lengths") from None
    array = _whole(name, array)
    if missing := int(pd.isna(array).sum()):
        raise ValueError(f"{name} must have no missing value, got {missing}")
    array = np.array(array.tolist()) if array.dtype == object else array.copy()
    if array.dtype.kind not in "biufU":
        raise TypeError(f"{name} must hold strings, numbers or booleans, got {array.dtype}")
    if array.ndim not in (1, 2) or array.size == 0:
        raise ValueError(f"{name} must be (n,) or (h, n), got shape {array.shape}")
    if array.ndim == 2 and array.shape[1] not in examples and array.shape[0] in examples:
        hint = "a column is a label each, and one-hot rows are argmax(1) of them"
        raise ValueError(f"{name} must be (n,) or (h, n), got shape {array.shape}: {hint}")
    return array


def numbers(name: str, value: Any) -> Tensor:
    """Features as a tensor: floats keep their precision, integers and truth values get double.

    Raises:
        TypeError: if they are sparse, or no numbers; the message names columns of words.
        ValueError: if a table or a masked array lacks a value.
    """
    if hasattr(value, "tocsr") or (isinstance(value, Tensor) and value.layout != torch.strided):
        raise TypeError(f"{name} must be dense, got {type(value).__name__}: use .toarray()")
    if isinstance(value, Tensor):
        check_tensor(name, value)
        return value if value.is_floating_point() else value.double()
    if isinstance(value, pd.DataFrame):
        kinds = zip(value.columns, value.dtypes, strict=True)
        words = [str(c) for c, kind in kinds if not pd.api.types.is_numeric_dtype(kind)]
        if words:
            hint = "encode them first, for instance by pandas.get_dummies"
            raise TypeError(f"{name} must hold numbers, got others in the columns {words}: {hint}")
        if missing := int(value.isna().sum().sum()):
            raise ValueError(f"{name} must have no missing value, got {missing}")
    array = _whole(name, np.asanyarray(value))
    try:
        kept = array.dtype.kind == "f" and array.dtype.itemsize < 8
        wanted = np.dtype(f"f{array.dtype.itemsize}") if kept else np.dtype(np.float64)
        if array.dtype.kind not in "biufO":
            raise TypeError(array.dtype)
        return torch.from_numpy(np.array(array, dtype=wanted, order="C"))
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"{name} must be (n, d) numbers, got {type(value).__name__}: {error}"
        ) from None


def _whole(name: str, array: NDArray[Any]) -> NDArray[Any]:
    """A plain array; what a mask hides is missing."""
    if missing := int(np.ma.getmaskarray(array).sum()) if np.ma.isMaskedArray(array) else 0:
        raise ValueError(f"{name} must have no missing value, got {missing}")
    return np.asarray(array)


def coded(
    name: str, values: NDArray[Any], names: Sequence[Hashable] | None
) -> tuple[Tensor, tuple[Hashable, ...]]:
    """Codes of the values' shape, and what each one stands for: names, or the values sorted.

    Raises:
        ValueError: if names repeat, or a value is none of them.
    """
    known = pd.Index(np.unique(values) if names is None else list(names))
    if not known.is_unique:
        raise ValueError(f"classes must differ, got {known.tolist()}")
    code = known.get_indexer(pd.Index(values.ravel()))
    if (code < 0).any():
        other = np.unique(values.ravel()[code < 0]).tolist()
        raise ValueError(f"{name} must hold classes out of {known.tolist()}, got {other}")
    return torch.from_numpy(code.reshape(values.shape)).long(), tuple(known.tolist())
