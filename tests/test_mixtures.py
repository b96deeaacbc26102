"""Weights of several teachers: exact at known ends, against scipy, KKT, and a ten-line loop."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from w2s_tutorial import fit_logistic
from w2s_tutorial.mixtures import closest, followed, learn, smallest_mixture


def grams(*shape, m=3, d=5, shift=0.5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    g = torch.randn(*shape, m, d, generator=generator, dtype=torch.float64) + shift
    return g @ g.mT


def pool(h=4, n=120, m=3, seed=1):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(h, n, 5, generator=generator, dtype=torch.float64)
    pull = torch.randn(m, h, 5, 2, generator=generator, dtype=torch.float64)
    return x, (x @ (pull + pull[:1])).softmax(-1)


@pytest.mark.parametrize("cap", [1 / 3, 0.4, 0.6, 1.0])
def test_no_solver_of_scipy_finds_a_smaller_mixture(cap):
    for gram in grams(40):
        q, ours = gram.numpy(), smallest_mixture(gram, cap=cap).numpy()
        found = minimize(
            lambda a, q=q: a @ q @ a,
            np.full(3, 1 / 3),
            jac=lambda a, q=q: 2 * q @ a,
            bounds=[(0, cap)] * 3,
            constraints={"type": "eq", "fun": lambda a: a.sum() - 1},
            options={"ftol": 1e-14},
        ).x
        np.testing.assert_allclose(ours @ q @ ours, found @ q @ found, rtol=1e-6)


@pytest.mark.parametrize(("m", "cap"), [(1, 1.0), (2, 0.7), (4, 0.3), (5, 1.0), (6, 0.25)])
def test_the_conditions_of_karush_kuhn_and_tucker(m, cap):
    gram = grams(200, m=m, d=8)
    a = smallest_mixture(gram, cap=cap)
    torch.testing.assert_close(a.sum(-1), torch.ones(200, dtype=torch.float64))
    assert a.min() >= 0
    assert a.max() <= cap + 1e-12
    slope = (gram @ a[..., None])[..., 0]
    inside = (a > 1e-6) & (a < cap - 1e-6)
    level = (slope * inside).sum(-1) / inside.sum(-1)  # NaN where no weight is free
    tolerance = 1e-6 * gram.diagonal(dim1=-2, dim2=-1).mean(-1)
    for row in range(200):
        free, low, high = inside[row], a[row] <= 1e-6, a[row] >= cap - 1e-6
        if not free.any():  # a corner: whatever is at the cap lies below whatever is at 0
            if low.any():
                assert slope[row][high].max() < slope[row][low].min() + tolerance[row]
            continue
        assert (slope[row][free] - level[row]).abs().max() < tolerance[row]
        assert (slope[row][low] > level[row] - tolerance[row]).all()
        assert (slope[row][high] < level[row] + tolerance[row]).all()


def test_the_ends_of_the_cap():
    gram = grams(50)
    third = torch.full((50, 3), 1 / 3, dtype=torch.float64)
    torch.testing.assert_close(smallest_mixture(gram, cap=1 / 3), third)
    whole = torch.eye(3, dtype=torch.float64) * torch.tensor([1.0, 2.0, 4.0])
    torch.testing.assert_close(  # orthogonal vectors: weights as one over their squares
        smallest_mixture(whole), torch.tensor([4.0, 2.0, 1.0]).double() / 7, atol=1e-7, rtol=0
    )
    near = torch.tensor([[1.0, 2.0], [2.0, 9.0]])  # beyond the end of the segment
    assert smallest_mixture(near).tolist() == pytest.approx([1, 0], abs=1e-8)


def test_of_equally_small_mixtures_the_most_even_one():
    gaps = torch.tensor([[1.0], [-1.0], [3.0]], dtype=torch.float64)
    a = smallest_mixture(gaps @ gaps.T)
    assert abs(float(a @ gaps[:, 0])) < 1e-6
    # Of all a >= 0 with a_1 - a_2 + 3 a_3 = 0 and sum 1, the shortest.
    wanted = np.linalg.pinv(np.array([[1, -1, 3], [1, 1, 1.0]])) @ np.array([0, 1.0])
    np.testing.assert_allclose(a.numpy(), wanted, atol=1e-6)
    assert smallest_mixture(torch.zeros(3, 3)).tolist() == pytest.approx([1 / 3] * 3)


def test_heads_do_not_see_each_other():
    gram = grams(6, 2)
    alone = torch.stack([smallest_mixture(g, cap=0.5) for g in gram.flatten(0, 1)])
    torch.testing.assert_close(smallest_mixture(gram, cap=0.5).flatten(0, 1), alone)


@pytest.mark.parametrize("cap", [0.3, 1.1, float("nan")])
def test_a_cap_out_of_range(cap):
    with pytest.raises(ValueError, match=r"cap must lie in \[1/3, 1\]"):
        smallest_mixture(grams(2), cap=cap)


@pytest.mark.parametrize(
    ("gram", "message"),
    [
        (torch.ones(3), r"gram must be \(..., m, m\)"),
        (torch.ones(3, 2), r"gram must be \(..., m, m\)"),
        (torch.ones(7, 7), "m from 1 to 6"),
        (torch.full((2, 2), torch.nan), "gram must be finite"),
    ],
)
def test_grams_that_are_none(gram, message):
    with pytest.raises(ValueError, match=message):
        smallest_mixture(gram)


def test_the_closest_mixture_of_a_batch_is_the_closest():
    x, said = pool()
    log_p = (0.3 * x @ torch.ones(5, 2, dtype=torch.float64).cumsum(1)).log_softmax(-1)
    weight = closest(cap=1.0, per="batch")(log_p, said, None)
    mixed = (weight[..., None] * said.movedim(0, -2)).sum(-2)
    gap = (log_p.exp() - mixed).square().sum((1, 2))
    generator = torch.Generator().manual_seed(2)
    other = torch.rand(200, 4, 3, generator=generator, dtype=torch.float64)
    other = other / other.sum(-1, keepdim=True)
    rival = torch.einsum("rhm,mhnc->rhnc", other, said)
    assert ((log_p.exp() - rival).square().sum((2, 3)) >= gap - 1e-9).all()


def test_what_the_gradient_is_averaged_over():
    _, said = pool(h=2, n=6)
    log_p = torch.zeros(2, 6, 2, dtype=torch.float64).log_softmax(-1)
    found = {per: closest(cap=0.6, per=per)(log_p, said, None) for per in ("mean", "example")}
    for h in range(2):
        g = (0.5 - said[:, h]).mean(1)
        torch.testing.assert_close(found["mean"][h, 0], smallest_mixture(g @ g.T, cap=0.6))
        for i in range(6):
            g = 0.5 - said[:, h, i]
            one = smallest_mixture(g @ g.T, cap=0.6)
            torch.testing.assert_close(found["example"][h, i], one)
    with pytest.raises(ValueError, match='per must be "mean"'):
        closest(cap=1.0, per="all")


def test_the_slope_of_followed_is_the_derivative_of_the_loss():
    x, said = pool(h=3)
    log_p = (x @ torch.ones(5, 2, dtype=torch.float64).cumsum(0)).log_softmax(-1)
    start = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64).expand(3, 1, 3)
    free = start.clone().requires_grad_()
    mixed = torch.einsum("hom,mhnc->hnc", free / free.sum(-1, keepdim=True), said)
    loss = -(mixed * log_p).sum(-1).mean(-1).sum()
    (slope,) = torch.autograd.grad(loss, free)
    moved = followed(lr=0.1)(log_p, said, start)
    wanted = (start - 0.1 * slope).clamp_min(1e-6)
    torch.testing.assert_close(moved, wanted / wanted.sum(-1, keepdim=True))
    with pytest.raises(ValueError, match="lr must exceed 0, got 0"):
        followed(lr=0)


def test_followed_stays_on_the_simplex_however_large_the_step():
    x, said = pool(h=3)
    moved = followed(lr=1e3)(x[..., :2].log_softmax(-1), said, torch.full((3, 1, 3), 1 / 3))
    assert moved.min() > 0
    torch.testing.assert_close(moved.sum(-1), torch.ones(3, 1, dtype=moved.dtype))


def test_learn_equals_a_loop():
    x, said = pool(h=2, n=40)
    how = {"steps": 7, "lr": 0.05, "l2": 0.02, "batch": 16, "easy": 0.4}
    taught = learn(x, said, followed(lr=0.2), **how)
    for h in range(2):
        head = [torch.zeros(5, 2).double(), torch.zeros(1, 2).double()]
        head = [part.requires_grad_() for part in head]
        adam, w = torch.optim.Adam(head, lr=0.05), torch.full((3,), 1 / 3).double()
        for step in range(7):
            at = slice(step * 16 % 40, min(step * 16 % 40 + 16, 40))
            adam.param_groups[0]["lr"] = 0.05 * (1 + np.cos(np.pi * step / 7)) / 2
            log_p, told = (x[h, at] @ head[0] + head[1]).log_softmax(-1), said[:, h, at]
            keep = torch.ones(len(log_p)).double()
            if step < 2.8:
                keep = (told.argmax(-1) == told[0].argmax(-1)).all(0).double()
            else:
                each = -(told * log_p.detach()).sum(-1).mean(-1)
                w = (w - 0.2 * (each - w @ each)).clamp_min(1e-6)
                w = w / w.sum()
            target = torch.einsum("m,mnc->nc", w, told)
            loss = (
                -((target * log_p).sum(-1) * keep).mean()
                + 0.01 * head[0].diff(dim=1).square().sum()
            )
            adam.zero_grad()
            loss.backward()
            adam.step()
            torch.testing.assert_close(taught.weight[step, h], w)
        torch.testing.assert_close(taught.heads.weight[h], head[0].detach(), atol=1e-9, rtol=1e-6)
        torch.testing.assert_close(taught.heads.bias[h], head[1].detach(), atol=1e-9, rtol=1e-6)


def test_without_a_rule_it_comes_to_the_student_of_the_average():
    x, said = pool()
    taught = learn(x, said, None, steps=600, lr=0.1, l2=0.05, batch=120)
    exact = fit_logistic(x, said.mean(0), l2=0.05)
    ours, theirs = (heads(x).softmax(-1) for heads in (taught.heads, exact))
    torch.testing.assert_close(ours, theirs, atol=1e-3, rtol=0)
    capped = learn(x, said, closest(cap=1 / 3), steps=600, lr=0.1, l2=0.05, batch=120)
    torch.testing.assert_close(capped.heads.weight, taught.heads.weight)
    free = learn(x, said, closest(cap=1.0), steps=600, lr=0.1, l2=0.05, batch=120)
    assert not torch.allclose(free.heads.weight, taught.heads.weight, atol=1e-2)


def test_flattening_moves_the_rules_apart_and_changes_no_answer():
    x, said = pool(h=20, n=400)
    flat = torch.cat([(said[:1].log() / 4).softmax(-1), said[1:]])
    assert torch.equal(flat.argmax(-1), said.argmax(-1))
    how = {"steps": 300, "lr": 0.05, "l2": 0.01, "batch": 100}
    ends = {
        (name, shape): learn(x, answers, rule, **how).weight[-1, :, 0]
        for name, rule in {"near": closest(cap=1, per="batch"), "easy": followed(lr=0.1)}.items()
        for shape, answers in {"as it is": said, "flat": flat}.items()
    }
    assert (ends["near", "flat"] - ends["near", "as it is"]).mean() > 0.1
    assert (ends["easy", "flat"] - ends["easy", "as it is"]).mean() < -0.1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": 0}, "steps must be at least 1, got 0"),
        ({"batch": 0}, "batch must be at least 1, got 0"),
        ({"l2": -1}, "l2 must be at least 0, got -1"),
        ({"lr": 0.0}, "lr must exceed 0"),
        ({"easy": 1.5}, r"easy lie in \[0, 1\]"),
    ],
)
def test_learn_refuses(change, message):
    x, said = pool(h=1, n=10)
    how = {"steps": 1, "lr": 0.1, "l2": 0.0, "batch": 10} | change
    with pytest.raises(ValueError, match=message):
        learn(x, said, None, **how)


def test_learn_refuses_shapes_and_what_are_no_probabilities():
    x, said = pool(h=1, n=10)
    how = {"steps": 1, "lr": 0.1, "l2": 0.0, "batch": 10}
    with pytest.raises(ValueError, match=r"x must be \(h, n, d\) and said \(m, h, n, c\)"):
        learn(x[0], said, None, **how)
    with pytest.raises(ValueError, match="said must hold probabilities"):
        learn(x, said * 2, None, **how)
