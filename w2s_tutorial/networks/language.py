"""What language models are trained for: per-text losses of the form that `train.fit` takes.

Texts are tokens (b, t); `counts` (b, t) is True where a token is to be learned, for instance at an
answer's and at no prompt's. The first token of a text has nothing before it and never counts.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


def log_probability(network: nn.Module, text: Tensor, counts: Tensor) -> Tensor:
    """Log-probability (b,) in nats of the tokens that count, each given all before it."""
    return -_counted(_surprise(network(text), text), counts).sum(1)


def next_token(network: nn.Module, text: Tensor, counts: Tensor) -> Tensor:
    """Mean negative log-probability of the tokens that count, in nats: (b,); 0 if none counts.

    On answers of a teacher this is supervised fine-tuning (SFT), on whole texts pre-training. Each
    text weighs the same, however long it is.
    """
    return _mean(_surprise(network(text), text), counts)


def preference(
    network: nn.Module,
    chosen: Tensor,
    chosen_counts: Tensor,
    rejected: Tensor,
    rejected_counts: Tensor,
    chosen_reference: Tensor,
    rejected_reference: Tensor,
    *,
    beta: float | Tensor,
    sft: float | Tensor = 0.0,
) -> Tensor:
    """Direct preference optimization (DPO) of chosen over rejected texts: (b,).

    The loss is -log sigmoid(beta * (a - b)), where a is how much likelier the chosen answer became
    than under a reference model, in nats, and b the same for the rejected one; log 2 where
    network and reference agree (Rafailov et al. 2023, arXiv 2305.18290).

    Args:
        chosen_reference, rejected_reference: (b,), `log_probability` of both texts under the
            reference. Which model that is, the first one or the last, is the caller's choice.
        beta: above 0; the larger, the closer the network stays to the reference.
        sft: weight of `next_token` on the chosen text, which is added.
    """
    output = network(chosen)
    surprise = _surprise(output, chosen)
    won = -_counted(surprise, chosen_counts).sum(1) - chosen_reference
    lost = log_probability(network, rejected, rejected_counts) - rejected_reference
    return -functional.logsigmoid(beta * (won - lost)) + sft * _mean(surprise, chosen_counts)


def distillation(
    network: nn.Module,
    text: Tensor,
    counts: Tensor,
    teacher: Tensor,
    *,
    soft: float | Tensor = 1.0,
    hard: float | Tensor = 1.0,
) -> Tensor:
    """hard * cross-entropy with the text + soft * KL(teacher || network), means over tokens: (b,).

    Args:
        teacher: (b, t, tokens), logits of a teacher for the token after each. To compute them as
            they are needed, call this with `teacher(text)` under `torch.no_grad`.
        soft, hard: the weights, at least 0; `fit_many` can let them change from step to step.

    Raises:
        ValueError: if the teacher's logits have another shape than the network's.
    """
    output = network(text)
    if teacher.shape != output.shape:
        came = f"{tuple(teacher.shape)} beside {tuple(output.shape)}"
        raise ValueError(f"teacher must have a logit for each of the network's, got {came}")
    log_p, log_q = (logits[:, :-1].log_softmax(-1) for logits in (output, teacher))
    # A token that the teacher rules out adds nothing: 0 log 0 is 0, and minus infinity has no sum.
    divergence = (log_q.exp() * (log_q.nan_to_num(neginf=0.0) - log_p)).sum(-1)
    return hard * _mean(_surprise(output, text), counts) + soft * _mean(divergence, counts)


def _surprise(output: Tensor, text: Tensor) -> Tensor:
    # (b, t - 1), of the second token to the last
    return functional.cross_entropy(output[:, :-1].mT, text[:, 1:], reduction="none")


def _counted(each: Tensor, counts: Tensor) -> Tensor:
    if each.shape != (counts := counts[:, 1:]).shape:  # one row of counts would fit all texts
        came = f"{tuple(counts.shape)} beside {tuple(each.shape)}"
        raise ValueError(f"counts must have one entry for each token, got {came} after the first")
    return each * counts


def _mean(each: Tensor, counts: Tensor) -> Tensor:
    return _counted(each, counts).sum(1) / counts[:, 1:].sum(1).clamp_min(1)
