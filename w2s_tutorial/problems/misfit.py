"""Regression on what small networks see, with many tasks for one pair of networks."""

from __future__ import annotations

from dataclasses import dataclass

from w2s_tutorial.problems._common import check_amount, check_count


@dataclass(frozen=True)
class Pretrained:
    """A network trained to see what the target network sees, through a few tasks on it.

    Attributes:
        layers: of the network; each is a linear map and a ReLU.
        tasks: known linear heads on the target network, one label each.
        examples: labelled examples of each task.

    Raises:
        ValueError: naming the field, what it must be, and what came.
    """

    layers: int
    tasks: int = 10
    examples: int = 2000

    def __post_init__(self) -> None:
        for name in ("layers", "tasks", "examples"):
            check_count(name, getattr(self, name), 1)


@dataclass(frozen=True)
class Perturbed:
    """The target network with N(0, sd^2) added to every weight and bias; sd = 0 is the target."""

    sd: float

    def __post_init__(self) -> None:
        check_amount("sd", self.sd, zero=True)


Origin = Pretrained | Perturbed


@dataclass(frozen=True)
class MisfitProblem:
    """Linear heads on two frozen networks (Charikar, Pabbaraju, Shiragur 2024, 2405.15116).

    A random ReLU network turns an input into features, and a task is a random linear head with a
    bias on these: its output is the label, without noise. For every task the weak model fits a
    linear head with a bias to the labels, on its own network's features, and the student fits one
    to what the weak model says about the same inputs, on its own. Inputs are N(0, scale^2).

    Attributes:
        weak, strong: how the frozen network of each came about.
        n_labeled: inputs of each task.
        layers: of the target network, each a linear map and a ReLU.
        width: features of every network.
        d_input: dimension of an input.
        scale: standard deviation of its coordinates.

    Raises:
        ValueError: naming the field, what it must be, and what came.
    """

    weak: Origin
    strong: Origin
    n_labeled: int = 2000
    layers: int = 5
    width: int = 16
    d_input: int = 8
    scale: float = 500.0

    def __post_init__(self) -> None:
        for name in ("n_labeled", "layers", "width", "d_input"):
            check_count(name, getattr(self, name), 1)
        check_amount("scale", self.scale, zero=False)

    @classmethod
    def realizable(cls) -> MisfitProblem:
        """The published experiment whose student sees what the target network sees."""
        return cls(weak=Pretrained(2), strong=Perturbed(0.0))

    @classmethod
    def pretrained(cls, examples: int = 2000) -> MisfitProblem:
        """The published experiment with two pre-trained networks: 2 layers teach 8.

        Args:
            examples: of each of the ten pre-training tasks, for both networks.
        """
        return cls(weak=Pretrained(2, examples=examples), strong=Pretrained(8, examples=examples))

    @classmethod
    def perturbed(cls) -> MisfitProblem:
        """The published experiment with two perturbed copies of the target network.

        The standard deviations .05 and .01 are ours.
        """
        return cls(weak=Perturbed(0.05), strong=Perturbed(0.01))
