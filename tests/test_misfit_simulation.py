"""The synthetic worlds: what is exact in them, what is not, and what is stored about them."""

from pathlib import Path

import pytest
import torch

from w2s_tutorial.problems import MisfitProblem, Perturbed, Pretrained
from w2s_tutorial.simulation import _small_networks as small_networks
from w2s_tutorial.simulation.misfit import draw_world, measure
from w2s_tutorial.tables import load_result
from w2s_tutorial.theory import misfit

DATA = Path(__file__).parents[1] / "data" / "misfit"
SMALL = MisfitProblem(weak=Pretrained(2, 4, 100), strong=Perturbed(0.0), n_labeled=200)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def world_and_gains(problem, seed=0):
    drawn = generator(seed)
    world = draw_world(problem, seed=drawn, steps=50, starts=1)
    return world, *measure(problem, world, tasks=6, seed=drawn)


def test_gain_is_misfit_on_the_training_inputs_of_a_realizable_world_only():
    _, own, fresh = world_and_gains(SMALL)
    assert (own.gain - own.misfit).abs().max() < 1e-8
    assert (fresh.gain - fresh.misfit).abs().max() > 1e-4
    outside = MisfitProblem(weak=Perturbed(0.05), strong=Perturbed(0.02), n_labeled=200)
    _, own, _ = world_and_gains(outside)
    assert (own.gain - own.misfit).abs().max() > 1e-4
    assert ((own.gain - own.misfit).abs() <= misfit.deviation_bound(own.misfit, own.epsilon)).all()


def test_measured_gains_are_those_of_the_theory():
    problem = MisfitProblem(weak=Perturbed(0.05), strong=Perturbed(0.02), n_labeled=150)
    world, own, _ = world_and_gains(problem)
    # The same inputs and tasks, drawn again.
    drawn = generator(0)
    assert draw_world(problem, seed=drawn, steps=50, starts=1).target(
        torch.zeros(1, 8).double()
    ).shape == (1, 16)
    x = 500 * torch.randn((6, 300, 8), generator=drawn, dtype=torch.float64)
    weight = small_networks.uniform((6, 16, 1), 16, drawn)
    label = world.target(x) @ weight + small_networks.uniform((6, 1, 1), 16, drawn)
    for task in range(6):
        seen, taught = world.strong(x[task, :150]), world.weak(x[task, :150])
        one = torch.cat([taught, torch.ones(150, 1).double()], 1)
        answer = one @ torch.linalg.pinv(one) @ label[task, :150]
        parts = misfit.linear_gain(seen, answer[None], label[task, None, :150])
        for name in ("gain", "misfit", "epsilon"):
            measured = getattr(own, name)[task]
            torch.testing.assert_close(measured, getattr(parts, name)[0], rtol=1e-5, atol=1e-8)


def test_training_lowers_the_loss_and_reads_inputs_as_they_are():
    drawn = generator()
    target = small_networks.random_network(5, d_input=8, width=16, seed=drawn)
    x = 500 * torch.randn((4, 200, 8), generator=drawn, dtype=torch.float64)
    head = tuple(small_networks.uniform(s, 16, drawn) for s in ((4, 16, 1), (4, 1, 1)))
    label = target(x) @ head[0] + head[1]
    start = small_networks.random_network(2, d_input=8, width=16, seed=drawn)
    trained = small_networks.train_on_tasks(start, x, head, label, steps=300, seed=drawn)
    after = small_networks.task_error(trained, x, head, label)
    assert after < 0.5 * label.var()
    assert small_networks.task_error(target, x, head, label) < 1e-20
    assert len(trained) == 2
    with pytest.raises(ValueError, match="steps must be at least 10"):
        small_networks.train_on_tasks(start, x, head, label, steps=3, seed=drawn)


def test_perturbation_has_its_size():
    drawn = generator()
    target = small_networks.random_network(5, d_input=8, width=16, seed=drawn)
    moved = small_networks.perturb(target, 0.05, seed=drawn)
    pairs = zip(moved.layers, target.layers, strict=True)
    change = torch.cat([(a - b).flatten() for m, t in pairs for a, b in zip(m, t, strict=True)])
    assert abs(float(change.std()) / 0.05 - 1) < 0.1


def test_bad_problems_are_refused():
    for call, message in (
        (lambda: Pretrained(0), "layers must be"),
        (lambda: Pretrained(2, examples=0), "examples must be"),
        (lambda: Perturbed(-1.0), "sd must be"),
        (lambda: MisfitProblem(Perturbed(0.1), Perturbed(0.1), scale=0.0), "scale must be"),
        (
            lambda: world_and_gains(SMALL) and measure(SMALL, None, tasks=0, seed=0),
            "trials",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_stored_worlds_say_what_the_chapter_says():
    table = load_result(DATA / "panels.csv")
    assert table.groupby(["world", "panel", "part"]).size().eq(100).all()
    own = table[table["part"] == "training"]
    difference = own.groupby("panel")["difference"].agg(lambda values: values.abs().max())
    assert difference["realizable"] < 1e-8
    assert difference.drop("realizable").min() > 1e-2
    bound = 2 * (own["misfit"] * own["epsilon"]) ** 0.5
    assert (own["difference"].abs() <= bound + 1e-5).all()
    recomputed = own["weak_error"] - own["student_error"] - own["misfit"]
    assert (recomputed - own["difference"]).abs().max() < 1e-4  # of five digits kept
