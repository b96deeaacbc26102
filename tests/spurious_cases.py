"""Problems that several tests of the spurious-correlation theory share."""

from __future__ import annotations

import numpy as np
import torch

from w2s_tutorial.problems import Risks, SpuriousProblem

READINGS = ["mean", "mixture"]
ENDLESS = 10**18


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


def close(a, b, rtol):
    """Every role agrees to the relative tolerance."""
    for role, x, y in zip(Risks._fields, a, b, strict=True):
        torch.testing.assert_close(x, y, rtol=rtol, atol=0.0, msg=lambda m, r=role: f"{r}: {m}")


def mean_and_error(risks):
    return [r.mean(0) for r in risks], [r.std(0) / len(r) ** 0.5 for r in risks]


def slow_limit(problem, nodes=20, steps=40):
    """The equations of `spurious`, all means by a product rule over all of xi, by iteration."""
    k, gamma = len(problem.shift), problem.d_core / problem.n_labeled
    nu = problem.d_core / problem.n_pool
    x, x_weight = map(torch.from_numpy, np.polynomial.hermite_e.hermegauss(nodes))
    x_weight = x_weight / x_weight.sum()
    xi = torch.cartesian_prod(*[x] * k).reshape(-1, k)
    weight = torch.cartesian_prod(*[x_weight] * k).reshape(-1, k).prod(1)

    def at(share):
        if problem.reading == "mean":
            return xi + share * problem.shift, weight
        return torch.cat([xi, xi + problem.shift]), torch.cat(
            [(1 - share) * weight, share * weight]
        )

    def features(points, view):
        return torch.cat([torch.ones(len(points), 1, dtype=torch.float64), points @ view], 1)

    def fit(phi, mass, ratio):
        h = torch.linalg.inv(phi.T @ (mass[:, None] * phi))
        for _ in range(steps):
            q = ((phi @ h) * phi).sum(1)
            h = torch.linalg.inv(phi.T @ ((mass / (1 + ratio * q))[:, None] * phi))
        return h, 1 / (1 + ratio * ((phi @ h) * phi).sum(1))

    (labeled, labeled_mass), (pool, pool_mass), (test, test_mass) = map(at, problem.shares)
    views = problem.weak, problem.strong
    c_weak, c = (f.T @ (test_mass[:, None] * f) for f in (features(test, v) for v in views))
    g, _ = fit(features(labeled, problem.weak), labeled_mass, gamma)
    baseline, _ = fit(features(labeled, problem.strong), labeled_mass, gamma)
    w, psi = (features(pool, v) for v in views)
    h, damping = fit(psi, pool_mass, nu)
    to_weak = w.T @ ((pool_mass * damping)[:, None] * psi) @ h
    kept = c
    for _ in range(steps):
        form = pool_mass * damping**2 * ((psi @ (h @ kept @ h)) * psi).sum(1)
        kept = c + nu * psi.T @ (form[:, None] * psi)
    form = pool_mass * damping**2 * ((psi @ (h @ kept @ h)) * psi).sum(1)
    u = w - psi @ to_weak.T
    student = torch.trace(g @ to_weak @ c @ to_weak.T) + nu * (form * ((u @ g) * u).sum(1)).sum()
    return Risks(
        problem.noise * gamma * torch.trace(g @ c_weak),
        problem.noise * gamma * student,
        problem.noise * gamma * torch.trace(baseline @ c),
        problem.noise * nu * torch.trace(h @ c),
    )
