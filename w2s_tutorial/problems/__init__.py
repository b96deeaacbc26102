"""What is being solved: the physics of an experiment, without a word on how to compute it.

A problem can be simulated (`simulation`) or solved in closed form (`theory`). The two never see
each other and meet only in a test or a figure.
"""

from w2s_tutorial.problems._common import Risks
from w2s_tutorial.problems.intrinsic import IntrinsicProblem
from w2s_tutorial.problems.misfit import MisfitProblem, Perturbed, Pretrained
from w2s_tutorial.problems.spurious import SpuriousProblem

__all__ = [
    "IntrinsicProblem",
    "MisfitProblem",
    "Perturbed",
    "Pretrained",
    "Risks",
    "SpuriousProblem",
]
