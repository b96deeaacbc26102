"""Known-wrong answers to the assignment on misfit, each with the hint it must get."""

STEP = """
def after_a_step(s, full_misfit):
    return {gain} * full_misfit, {misfit} * full_misfit
"""

IDS = {"STOPPED": "cd5678", "FINISHED": "ab1234"}  # what they are asked for
ERROR = """
{first}mine = draw(STUDENT, "misfit", term="open")
error, misfit, s = mine["weak_error"], mine["misfit"], mine["share"]
my_prediction = {formula}
"""

PICK = """
def pick_teacher(strong, weak_outputs, label):
    design = torch.cat([strong, torch.ones_like(strong[:, :1])], 1)
    students = design @ torch.linalg.lstsq(design, weak_outputs.T).solution
    m = len(label)
    refused = (students - weak_outputs.T).square().mean(0)
    wrong = (weak_outputs[:, :m] - label).square().mean(1)
    promise = wrong - refused
    return int(promise.argmin()), promise
"""

SETS = """
generator = torch.Generator().manual_seed(0)
strong = torch.randn(200, 4, generator=generator, dtype=torch.float64)
design = torch.cat([strong, torch.ones(200, 1, dtype=torch.float64)], 1)
noise = torch.randn(200, generator=generator, dtype=torch.float64)
within = design @ torch.linalg.lstsq(design, noise[:, None]).solution[:, 0]
aside = (noise - within) / (noise - within).square().mean().sqrt()
inside = strong[:, 0] / strong[:, 0].square().mean().sqrt()
unit = (mine["weak_error"] / 2) ** 0.5
target = unit * aside
{change}
weak_outputs = {outputs}
"""


def error(formula: str, asked: str = "") -> str:
    """An answer to question 2, perhaps for another id."""
    first = f'STUDENT = "{IDS[asked]}"; ' if asked else ""
    return ERROR.format(first=first, formula=formula)


def sets(change: str, outputs: str) -> str:
    """An answer to question 4."""
    return SETS.format(change=change, outputs=outputs)


def changed(old: str, new: str) -> str:
    """PICK with one line changed."""
    assert old in PICK
    return PICK.replace(old, new)


WRONG = {
    "q1": [
        ("That is the misfit again", STEP.format(gain="s**2", misfit="s**2")),
        ("gain grow with the way for ever", STEP.format(gain="s", misfit="s**2")),
        ("in proportion to the way", STEP.format(gain="s * (2 - s)", misfit="s")),
        ("not to the teacher", STEP.format(gain="s * (2 - s)", misfit="(1 - s) ** 2")),
        ("where the student is its teacher", STEP.format(gain="(1 - s**2)", misfit="s**2")),
        ("Gain, measured", STEP.format(gain="s * (2 - s) ** 2", misfit="s**2")),
    ],
    "q2": [
        ("not between 0 and", error("error - misfit")),
        ("square of the way", error("error - misfit / s")),
        ("of the step, not of the projection|not between", error("error - s * (2 - s) * misfit")),
        ("Asked is the student as it was", error("error - misfit / s**2", "STOPPED")),
        ("Asked is the student as it was", error("error - misfit * (2 - s) / s", "FINISHED")),
        ("Write a number", error("None")),
        ("not between 0 and", error("misfit - error")),
    ],
    "q3": [
        (
            "Neither the smallest weak error",
            changed("int(promise.argmin())", "int(wrong.argmin())"),
        ),
        (
            "Neither the smallest weak error|promises least",
            changed("int(promise.argmin())", "int((-refused).argmin())"),
        ),
        (
            "over all examples",
            changed(
                "(students - weak_outputs.T).square().mean(0)",
                "(students - weak_outputs.T)[:m].square().mean(0)",
            ),
        ),
        ("is subtracted", changed("wrong - refused", "wrong + refused")),
        (
            "Give the head a bias",
            changed("torch.cat([strong, torch.ones_like(strong[:, :1])], 1)", "strong"),
        ),
        ("each a mean over examples", changed("square().mean(1)", "square().sum(1)")),
        ("A promise per teacher", changed("()), promise", "()), promise.min()")),
    ],
    "q4": [
        (
            "there the rule is right",
            sets("target = unit * inside", "torch.stack([0 * inside, 2.4142 * unit * inside])"),
        ),
        (
            "the rule picks teacher 1",
            sets("", "torch.stack([2 * unit * inside, unit * inside])"),
        ),
        (
            "twice the error of the other",
            sets("", "torch.stack([2 * target + unit * inside, unit * inside])"),
        ),
        ("as in mine", sets("", "torch.stack([2 * target + 2 * unit * inside, 0.5 * inside])")),
        (
            "says whatever it likes",
            sets(
                "strong, target, inside = strong[:20], target[:20], inside[:20]",
                "torch.stack([2 * target + 2 * unit * inside, unit * inside])",
            ),
        ),
        (
            "in double precision",
            sets("", "torch.stack([2 * target + 2 * unit * inside, unit * inside]).float()"),
        ),
        ("Outputs and target are", sets("", "torch.stack([target, target, target])")),
    ],
}
