"""Beyond the squared loss: reverse students keep the promise, forward ones do not."""

import pytest
import torch

from w2s_tutorial.simulation import divergence
from w2s_tutorial.theory import misfit_divergence


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def drawn(problems=200, k=5, **more):
    sizes = {"n": 8, "c": 3, **more}
    return divergence.draw_mixing(problems=problems, k=k, **sizes, seed=generator())


def students(draw, loss):
    share, left = divergence.fit_mixture(draw.heads, draw.weak, loss=loss)
    assert left.max() < 1e-9
    return divergence.mix(draw.heads, share)


def test_known_divergences():
    p, q = (torch.rand(4, 6, 3, generator=generator(s)).double().softmax(-1) for s in (0, 1))
    by_potential = misfit_divergence.divergence(misfit_divergence.negative_entropy, p, q)
    torch.testing.assert_close(by_potential, misfit_divergence.kl(p, q))
    squared = misfit_divergence.divergence(lambda x: x.square().sum(-1), p, q)
    torch.testing.assert_close(squared, (p - q).square().sum(-1).mean(-1))
    assert misfit_divergence.kl(p, p).abs().max() < 1e-12
    sure = torch.tensor([[1.0, 0.0]])
    assert torch.isclose(
        misfit_divergence.kl(sure, torch.full((1, 2), 0.5)), torch.tensor(2.0).log()
    )


@pytest.mark.parametrize("loss", ["reverse", "forward"])
def test_fit_mixture_is_the_best_of_a_grid(loss):
    draw = drawn(problems=6, k=2)
    found = students(draw, loss)
    grid = torch.linspace(0, 1, 401, dtype=torch.float64)
    mixes = (
        grid[:, None, None, None] * draw.heads[:, 0]
        + (1 - grid)[:, None, None, None] * draw.heads[:, 1]
    )

    def value(student):
        pair = (student, draw.weak) if loss == "reverse" else (draw.weak, student)
        return misfit_divergence.kl(
            *(x.expand(torch.broadcast_shapes(*(y.shape for y in pair))) for x in pair)
        )

    best = value(mixes).amin(0)
    assert (value(found) <= best + 1e-12).all()
    torch.testing.assert_close(value(found), best, atol=2e-4, rtol=0)


def test_reverse_students_never_break_the_promise_and_forward_ones_do():
    draw = drawn()
    kept = misfit_divergence.slack(draw.target, students(draw, "reverse"), draw.weak)
    assert kept.min() > -1e-9
    broken = misfit_divergence.slack(draw.target, students(draw, "forward"), draw.weak)
    assert 0.05 < (broken < -1e-6).double().mean() < 0.9


def test_reverse_students_break_it_once_the_target_leaves_the_class():
    draw = drawn()
    outside = drawn(problems=200, k=1).target.roll(1, 0)
    slack = misfit_divergence.slack(outside, students(draw, "reverse"), draw.weak)
    assert (slack < -1e-3).any()


def test_more_heads_miss_less():
    draw = drawn(problems=10, k=20)
    grown = divergence.greedy_mixtures(draw.heads, draw.weak, most=10)
    losses = torch.stack([misfit_divergence.kl(student, draw.weak) for student in grown])
    assert (losses.diff(dim=0) < 1e-10).all()
    slack = torch.stack([misfit_divergence.slack(draw.target, s, draw.weak) for s in grown])
    assert slack[0].mean() < slack[3].mean() < slack[9].mean()


def test_a_student_never_picks_a_head_twice_and_ends_at_the_best_mixture_of_all(monkeypatch):
    draw, chosen, fit = drawn(problems=20, k=6), [], divergence.fit_mixture
    monkeypatch.setattr(
        divergence,
        "fit_mixture",
        lambda heads, *a, **more: chosen.append(heads) or fit(heads, *a, **more),
    )
    *_, last = divergence.greedy_mixtures(draw.heads, draw.weak, most=6)
    for size, heads in enumerate(chosen, 1):
        apart = (heads[:, :, None] - heads[:, None]).abs().amax((-2, -1))  # (h, size, size)
        assert heads.shape[1] == size
        assert (apart + torch.eye(size)).min() > 1e-6
    losses = [misfit_divergence.kl(s, draw.weak) for s in (last, students(draw, "reverse"))]
    torch.testing.assert_close(*losses, rtol=0, atol=1e-9)


def test_bad_input_is_refused():
    draw = drawn(problems=2)
    misfit_divergence.kl(draw.weak, draw.weak * (1 + 1e-8))  # rounding is no mistake
    for call, message in (
        (lambda: divergence.fit_mixture(draw.heads, draw.weak, loss="both"), "loss must be"),
        (lambda: divergence.fit_mixture(draw.heads, draw.weak[:1], loss="reverse"), "weak must be"),
        (lambda: divergence.greedy_mixtures(draw.heads, draw.weak, most=9), r"1\.\.5"),
        (lambda: misfit_divergence.kl(draw.weak * 2, draw.weak), "first must hold distributions"),
        (lambda: misfit_divergence.kl(draw.weak, draw.weak.round()), "second must"),
        (lambda: misfit_divergence.kl(draw.weak, draw.weak * (1 + 1e-5)), "second must hold"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
