"""Every check passes the right answer, and fails each known-wrong one with its own hint."""

import math

import pytest
import torch

from w2s_tutorial.checks import growing as checks
from w2s_tutorial.checks._common import CheckError
from w2s_tutorial.networks.language import distillation


def beside(divergence):
    """A loss whose second term is that function of log-probabilities and logits."""

    def loss(student, teacher, character, weight):
        log_p, log_q = student.log_softmax(-1), teacher.log_softmax(-1)
        hard = -log_p.gather(-1, character[:, None])[:, 0]
        return hard + weight * divergence(log_p, log_q, student, teacher)

    return loss


right = beside(lambda p, q, *_: (q.exp() * (q - p)).sum(-1))
reverse = beside(lambda p, q, *_: (p.exp() * (p - q)).sum(-1))
crossed = beside(lambda p, q, *_: -(q.exp() * p).sum(-1))
raw = beside(lambda p, q, student, teacher: (q.exp() * (teacher - student)).sum(-1))
averaged = beside(lambda p, q, *_: (q.exp() * (q - p)).mean(-1))


class Says(torch.nn.Module):
    """A model with the same logits for any text."""

    def __init__(self, logits):
        super().__init__()
        self.logits = logits

    def forward(self, text):
        return self.logits


def by_the_package(student, teacher, character, weight):
    logits, wanted = (torch.stack([z, z], 1) for z in (student, teacher))  # first place counts
    text = torch.stack([0 * character, character], 1)
    counts = torch.ones_like(text, dtype=torch.bool)
    return distillation(Says(logits), text, counts, wanted, soft=weight)


@pytest.mark.parametrize("answer", [right, by_the_package])
def test_check_distillation_passes_the_definition(answer):
    assert "Right" in checks.check_distillation(answer)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (reverse, "the teacher comes first"),
        (crossed, "a perfect copy is punished"),
        (lambda s, t, y, w: right(s, t, y, w) / (1 + w), "keeps its weight of 1"),
        (raw, "log_softmax first"),
        (averaged, "do not average"),
        (lambda *a: right(*a).mean(), "A loss per character"),
        (lambda s, t, y, w: right(s, t, y, 1.0), "With weight 0 the first loss is"),
    ],
)
def test_check_distillation_names_the_slip(wrong, hint):
    with pytest.raises(CheckError, match=hint):
        checks.check_distillation(wrong)


def test_check_weight():
    assert "Right" in checks.check_weight(0.2)
    for wrong, hint in (
        (1 / 6, "share / \\(1 - share\\)"),
        (5.0, "not 1 / \\(1 \\+ weight\\)"),
        (math.exp(0.1) - 1, "the other bound"),
        (0.3, "0.2 is right"),
        (None, "one number"),
    ):
        with pytest.raises(CheckError, match=hint):
            checks.check_weight(wrong)


def test_the_price_at_that_weight_is_what_the_exercise_says():
    generator = torch.Generator().manual_seed(0)
    truth, teacher = torch.rand(2, 500, 5, generator=generator, dtype=torch.float64).softmax(-1)

    def divergence(one):
        return (truth * (truth / one).log()).sum(-1)

    for weight in (0.2, 1.0, 4.0):
        price = divergence((truth + weight * teacher) / (1 + weight))
        assert (price <= weight / (1 + weight) * divergence(teacher) + 1e-12).all()
        assert (price <= math.log1p(weight)).all()
        near = 0.99 * truth + 0.01 * teacher  # there it is the share's square
        small = divergence((truth + weight * near) / (1 + weight)) / divergence(near)
        torch.testing.assert_close(
            small, torch.full_like(small, weight / (1 + weight)) ** 2, rtol=0.05, atol=0
        )


def test_check_better_teacher():
    def of(*p):
        return torch.tensor(p, dtype=torch.float64)

    truth, flat, sure = of(0.9, 0.1), of(0.5, 0.5), of(1 - 1e-6, 1e-6)
    assert "Found" in checks.check_better_teacher(truth, flat, sure)
    for arguments, hint in (
        ((truth, sure, flat), "first must be the better"),
        ((truth, of(0.8, 0.2), flat), "What mistake is dear"),
        ((truth, of(0.6, 0.5), flat), "better must be a distribution"),
        ((truth, flat, of(1.0, 0.0)), "worse must be a distribution"),
        ((truth, flat, of(0.2, 0.3, 0.5)), "worse must be a distribution"),
    ):
        with pytest.raises(CheckError, match=hint):
            checks.check_better_teacher(*arguments)


def test_check_same_surprise():
    character = torch.zeros(10, dtype=torch.int64)
    flat = torch.full((10, 2), 0.5, dtype=torch.float64)
    sure = torch.tensor([[0.9, 0.1]] * 8 + [[0.0, 1.0]] * 2, dtype=torch.float64)
    wrong = math.exp(-(10 * math.log(2) + 8 * math.log(0.9)) / 2)
    sure[8:] = torch.tensor([wrong, 1 - wrong])
    assert "right on 0.80 and 0.00" in checks.check_same_surprise(sure, flat, character)
    for arguments, hint in (
        ((sure.flip(0), sure, character), "right on 0.80 and 0.80"),
        ((sure, flat * 0.5 + 0.25 + torch.tensor([0.1, -0.1]), character), "make them equal"),
        ((sure, flat[:5], character), "a distribution above 0"),
        ((sure, 2 * flat, character), "a distribution above 0"),
    ):
        with pytest.raises(CheckError, match=hint):
            checks.check_same_surprise(*arguments)


def paid(alone, taught, teacher, ratio):
    saved = alone - taught * (1 + ratio / 3)
    return teacher * ratio / saved if saved > 0 else math.inf


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda a, t, n, r: n * r / (a - t), "Asking the teacher costs"),
        (lambda a, t, n, r: n * r / (a - t * (1 + r)), "of which one is the teacher's"),
        (lambda a, t, n, r: n / (a - t * (1 + r / 3)), "the smaller model"),
        (lambda a, t, n, r: (a - t * (1 + r / 3)) / (n * r), "Upside down"),
        (lambda a, t, n, r: n * r / (a - t * (1 + r / 3)), "never pays"),
        (lambda a, t, n, r: n * r / (a - t * (1 + r / 3)) if a > t else math.inf, "asking eats"),
    ],
)
def test_check_paid_back(wrong, hint):
    assert "Right" in checks.check_paid_back(paid)
    with pytest.raises(CheckError, match=hint):
        checks.check_paid_back(wrong)


def test_empty_stubs_are_no_pass():
    def stub(*_):
        raise NotImplementedError

    for check in (checks.check_distillation, checks.check_paid_back):
        with pytest.raises(NotImplementedError):
            check(stub)
