"""Known-wrong answers to the assignment on misfit, each with the hint it must get."""

STEP = """
def after_a_step(s, full_misfit):
    return {gain} * full_misfit, {misfit} * full_misfit
"""

ERROR = """
u = 2 * math.sqrt(mine["misfit"] * mine["unreachable"])
promised, sign = mine["weak_error"] - mine["misfit"], 1 if mine["asked"] == "worst" else -1
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
size = mine["weak_error"] ** 0.5
{sets}
"""


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
        ("factor 2 is missing", ERROR.format(formula="promised + sign * u / 2")),
        ("not of two squares", ERROR.format(formula="promised + sign * u**2 / 2")),
        ("how far the student moved", ERROR.format(formula="promised + sign*mine['unreachable']")),
        (
            "multiplied by the misfit's root",
            ERROR.format(formula="promised + sign * 2 * mine['unreachable'] ** 0.5"),
        ),
        (
            "the weak error is neither",
            ERROR.format(
                formula="promised + sign * 2*(mine['weak_error']*mine['unreachable']) ** 0.5"
            ),
        ),
        ("cannot be", ERROR.format(formula="promised - sign * u")),
        ("cannot be", ERROR.format(formula="promised")),
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
            "the theorem holds",
            SETS.format(sets="weak_output = size * aside\ntarget = 0 * aside"),
        ),
        (
            "nearly all that its teacher says",
            SETS.format(sets="weak_output = size * inside\ntarget = 0 * aside"),
        ),
        (
            "have in common",
            SETS.format(
                sets="weak_output = size * aside\ntarget = 0.1 * inside + 0.1 * size * aside"
                "\ntarget = target * size / (weak_output - target).square().mean().sqrt()"
                "\nweak_output = target - size * (target - weak_output) / (target - "
                "weak_output).square().mean().sqrt()"
            ),
        ),
        (
            "as in mine",
            SETS.format(sets="weak_output = 2 * size * aside\ntarget = 2 * weak_output"),
        ),
        (
            "says whatever it likes",
            SETS.format(
                sets="strong, weak_output = strong[:20], size * aside[:20]\n"
                "target = 2 * weak_output"
            ),
        ),
        (
            "in double precision",
            SETS.format(sets="weak_output = (size * aside).float()\ntarget = 2 * weak_output"),
        ),
    ],
}
