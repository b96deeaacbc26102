"""Anybody's arrays as tensors: numpy, pandas, torch or nested lists, with errors that name them."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from itertools import combinations
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
    """Refuse tables of pandas whose rows have the same names in another order, or some of them.

    Rows are taken by their place, as scikit-learn does it, and would not belong together. Names
    0..n-1 in order are what pandas gives to any table: they may be a part of another's by chance.
    """
    named = {name: v.index for name, v in given.items() if isinstance(v, pd.DataFrame | pd.Series)}
    for (first, one), (name, other) in combinations(named.items(), 2):
        if len(one) != len(other) or one.equals(other):
            continue
        counted = pd.RangeIndex(len(one))
        shared = set(one) & set(other)
        chance = one.equals(counted) or other.equals(counted)
        if shared and (not chance or shared == set(one) == set(other)):
            hint = "use .loc, or .reset_index(drop=True) where places count"
            raise ValueError(f"{name} must have its rows in the order of {first}: {hint}")


def plain(value: Any) -> Any:
    """A dense tensor as numpy has it, which lacks bfloat16; anything else as it came."""
    if not isinstance(value, Tensor):
        return value
    value = value.detach().cpu()
    return (value.float() if value.dtype == torch.bfloat16 else value).numpy()


def unmerged(value: Any) -> NDArray[Any]:
    """An array of values as they came: of a list, numpy would make words of numbers and NaN."""
    array = np.asanyarray(value)
    if array.dtype.kind != "U" or isinstance(value, np.ndarray):
        return array
    apart = np.array(value, dtype=object)
    return array if all(isinstance(v, str) for v in apart.flat) else apart


def of_one_kind(name: str, array: NDArray[Any]) -> NDArray[Any]:
    """A copy with the dtype of what an array of objects holds.

    Raises:
        TypeError: if it holds strings and others, of which 1 and "1" would become one.
    """
    if array.dtype != object:
        return array.copy()
    if len(kinds := {isinstance(v, str): v for v in array.flat}) > 1:
        raise TypeError(f"{name} must hold strings or numbers, got both: {[*kinds.values()]}")
    return np.array(array.tolist())


def labels(name: str, value: Any, examples: Sequence[int] = ()) -> NDArray[Any]:
    """Labels (n,) or (h, n) as numpy has them; examples: n, where it is known.

    Raises:
        TypeError: if they are sparse, or neither strings, numbers nor booleans.
        ValueError: if one is missing, or the shape is another.
    """
    if hasattr(value, "tocsr") or (isinstance(value, Tensor) and value.layout != torch.strided):
        raise TypeError(f"{name} must be dense, got {type(value).__name__}: use .toarray()")
    try:
        array = unmerged(plain(value))
    except ValueError:
        raise ValueError(f"{name} must be (n,) or (h, n), got rows of several lengths") from None
    array = _whole(name, array)
    if missing := int(pd.isna(array).sum()):
        raise ValueError(f"{name} must have no missing value, got {missing}")
    array = of_one_kind(name, array)
    if array.dtype.kind not in "biufU":
        raise TypeError(f"{name} must hold strings, numbers or booleans, got {array.dtype}")
    if array.ndim not in (1, 2) or array.size == 0:
        raise ValueError(f"{name} must be (n,) or (h, n), got shape {array.shape}")
    if array.ndim == 2 and array.shape[1] not in examples and array.shape[0] in examples:
        hint = "a column is a label each, one-hot rows are argmax(1), of real targets take one"
        raise ValueError(f"{name} must be (n,) or (h, n), got shape {array.shape}: {hint}")
    return array


def numbers(name: str, value: Any) -> Tensor:
    """Features as a tensor: floats keep their precision, integers and truth values get double.

    Raises:
        TypeError: if they are sparse, or no numbers; the message names columns of words.
        ValueError: if a table or a masked array lacks a value, or rows differ in length.
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
    try:
        array = np.asanyarray(value)
    except ValueError as error:
        raise ValueError(f"{name} must be (n, d) numbers: {error}") from None
    array = _whole(name, array)
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
        TypeError: if names are no sequence.
        ValueError: if names repeat, or a value is none of them.
    """
    if isinstance(names, str) or not isinstance(names, Iterable | None):
        raise TypeError(f"classes must be a sequence of names, got {names!r}")
    known = pd.Index(np.unique(values) if names is None else list(names))
    if not known.is_unique:
        raise ValueError(f"classes must differ, got {known.tolist()}")
    code = known.get_indexer(pd.Index(values.ravel()))
    if (code < 0).any():
        other = np.unique(values.ravel()[code < 0]).tolist()
        raise ValueError(f"{name} must hold classes out of {known.tolist()}, got {other}")
    return torch.from_numpy(code.reshape(values.shape)).long(), tuple(known.tolist())
