"""Who is in which set: exact minority shares, and images dealt so that none appears twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral

import torch
from torch import Tensor

Classes = tuple[int | Sequence[int], int | Sequence[int]]


def planned(
    sizes: Mapping[str, int], minority: Mapping[str, float], generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Label and attribute, 0 or 1, of every example: one set after the other, each in random order.

    Labels are balanced to within one example, in the minority as in the rest.

    Args:
        sizes: examples in each set, by name.
        minority: share of each set, in [0, 1], whose attribute is not its label; the count is
            round(share x size) exactly.
        generator: consumed.

    Raises:
        ValueError: if the names differ, a size is below 1, or a share leaves [0, 1].
    """
    if not sizes or set(sizes) != set(minority):
        raise ValueError(
            f"sizes and minority must name the same sets, got {list(sizes)} and {list(minority)}"
        )
    labels: list[Tensor] = []
    attributes: list[Tensor] = []
    for name, n in sizes.items():
        if not isinstance(n, Integral) or n < 1:
            raise ValueError(f"sizes[{name!r}] must be an integer of at least 1, got {n}")
        if not 0.0 <= minority[name] <= 1.0:
            raise ValueError(f"minority[{name!r}] must lie in [0, 1], got {minority[name]}")
        label = torch.arange(n) % 2  # alternating, so that any beginning is balanced
        breaks = torch.arange(n) < round(minority[name] * n)
        order = torch.randperm(n, generator=generator)
        labels.append(label[order])
        attributes.append(torch.where(breaks, 1 - label, label)[order])
    return torch.cat(labels), torch.cat(attributes)


def dealt(
    name: str, kinds: Classes, labels: Tensor, wanted: Tensor, generator: torch.Generator
) -> Tensor:
    """A row of `labels` for each entry of `wanted`, of the kind that it names, none of them twice.

    Args:
        name: of the argument that `kinds` came from, for the errors.
        kinds: the label, or labels, that count as kind 0 and as kind 1.
        labels: (n,) integers.
        wanted: (m,) int64, 0 or 1.
        generator: consumed.

    Raises:
        ValueError: if the kinds overlap, or there are fewer rows of a kind than wanted.
    """
    values = [torch.atleast_1d(torch.tensor(kind)) for kind in kinds]
    if len(values) != 2 or torch.isin(values[0], values[1]).any():
        raise ValueError(f"{name} must be 2 kinds that share no label, got {kinds}")
    rows = torch.empty_like(wanted)
    for kind, of_kind in enumerate(values):
        there = torch.isin(labels.cpu(), of_kind).nonzero().flatten()
        asked = (wanted == kind).nonzero().flatten()
        if len(asked) > len(there):
            raise ValueError(
                f"{name}[{kind}] = {kinds[kind]}: {len(asked)} images are asked for, "
                f"there are {len(there)}"
            )
        order = torch.randperm(len(there), generator=generator)
        rows[asked] = there[order[: len(asked)]]
    return rows


def check_asked(
    names: Sequence[str],
    there: Mapping[str, Tensor],
    sizes: Mapping[str, int],
    minority: Mapping[str, float],
) -> None:
    """Refuse to draw from backbones that are not there, or parts with a size or share alone."""
    if not sizes or set(sizes) != set(minority):
        came = f"got {list(sizes)} and {list(minority)}"
        raise ValueError(f"sizes and minority must name the same parts, at least 1, {came}")
    check_names(names, there)


def check_names(names: Sequence[str], there: Sequence[str] | Mapping[str, Tensor]) -> None:
    """Refuse backbones that are not there."""
    for name in names:
        if name not in there:
            raise ValueError(f"backbone must be one of {', '.join(there)}, got {name!r}")
