"""Problems that several tests of the spurious-correlation theory share."""

from __future__ import annotations

import torch

from w2s_tutorial.problems import SpuriousProblem


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def aligned(used=0.1, pool_used=0.06, d_core=8, **changes):
    """used = p_weak d_core / n_labeled, pool_used = p_strong d_core / n_pool."""
    fields = {
        "p_weak": 5,
        "p_strong": 3,
        "overlap": 0.5,
        "separation_weak": 4.0,
        "separation_strong": 1.0,
        "minority_labeled": 0.1,
        "minority_pool": 0.3,
        "minority_test": 0.5,
        **changes,
    }
    return SpuriousProblem.aligned(
        n_labeled=round(fields["p_weak"] * d_core / used),
        n_pool=round(fields["p_strong"] * d_core / pool_used),
        d_core=d_core,
        **fields,
    )


def in_general_position(seed, *, p_weak=4, p_strong=3, k=6, **changes):
    """Random orthonormal views, shift and shares."""
    g = generator(seed)
    views = [
        torch.linalg.qr(torch.randn(k, p - 1, generator=g, dtype=torch.float64)).Q
        for p in (p_weak, p_strong)
    ]
    shift = 2 * torch.randn(k, generator=g, dtype=torch.float64)
    labeled, pool, test = torch.rand(3, generator=g).tolist()
    fields = {
        "n_labeled": 400,
        "n_pool": 500,
        "d_core": 10,
        "noise": 0.7,
        "minority_labeled": labeled / 2,
        "minority_pool": pool / 2,
        "minority_test": test,
        "reading": "mean",
        **changes,
    }
    return SpuriousProblem(weak=views[0], strong=views[1], shift=shift, **fields)


def per_label(problem):
    """The unit of risk of the theorem, noise * d_core / n_labeled."""
    return problem.noise * problem.d_core / problem.n_labeled
