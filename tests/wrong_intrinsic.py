"""Known-wrong answers to the assignment on intrinsic dimension, each with the hint it must get."""

NEEDED = """
def pool_needed(share, d_weak, d_strong, d_shared):
    spare = share * d_weak - d_shared
    {body}
"""
LIMIT = "return math.inf if spare <= 0 else "

SIZES = """
{}mine = draw(STUDENT, "intrinsic", term="open")
n, N, d_w, d_s, d_sw = (mine[k] for k in ("n_labeled", "n_pool", "d_weak", "d_strong", "d_shared"))
weak = d_w / (n - d_w - 1)
student = (d_sw + (d_w - d_sw) * d_s / (N - d_s - 1)) / (n - d_w - 1)
on_pool = (d_sw + (d_w - d_sw) * d_s / N) / (n - d_w - 1)
baseline, ceiling = d_s / (n - d_s - 1), d_s / (n + N - d_s - 1)
def answer(weak, student, baseline, ceiling):
    pgr = (weak - student) / (weak - ceiling)
    return dict([("student / weak", student / weak), ("PGR", pgr), ("OPR", baseline / student)])[
        mine["asked"]
    ]
"""

TRIAL = """
def one_trial(problem, generator):
    n, k = problem.n_labeled, len(problem.target)
    z = torch.randn(n + problem.n_pool, k, generator=generator, dtype=torch.float64)
    noise = torch.randn(len(z), generator=generator, dtype=torch.float64)
    label = z @ problem.target + problem.noise**0.5 * noise
    def fitted(rows, factor, labels):
        return factor @ torch.linalg.lstsq(z[rows] @ factor, labels[:, None]).solution[:, 0]
    labeled, pool, both = slice(0, n), slice(n, None), slice(None)
    weak_fit = fitted(labeled, problem.weak, label[labeled])
    fits = {
        "weak": weak_fit,
        "student": fitted(pool, problem.strong, z[pool] @ weak_fit),
        "baseline": fitted(labeled, problem.strong, label[labeled]),
        "ceiling": fitted(both, problem.strong, label),
    }
    return {role: float((fit - problem.target).square().sum()) for role, fit in fits.items()}
"""


def changed(old: str, new: str) -> str:
    """TRIAL with one line changed."""
    assert old in TRIAL
    return TRIAL.replace(old, new)


PAIR = """
sizes = {key: mine[key] for key in ("n_labeled", "n_pool", "d_weak", "d_strong")}
alike = IntrinsicProblem.aligned(**sizes, d_shared=2, noise=0.1)
target = torch.zeros_like(alike.target)
target[0] = 2.0
blind = alike.strong.clone()
blind[:, 0], blind[-1, 0] = 0.0, 1.0
"""

WRONG = {
    "q1": [
        (
            "That is from d_strong/N",
            NEEDED.format(body=LIMIT + "math.ceil(d_strong * (d_weak - d_shared) / spare)"),
        ),
        (
            "One too few",
            NEEDED.format(body=LIMIT + "d_strong + math.ceil(d_strong * (d_weak-d_shared)/spare)"),
        ),
        (
            "is share what stays, or what goes|Is share what stays, or what goes",
            NEEDED.format(
                body="spare = (1 - share) * d_weak - d_shared; "
                + LIMIT
                + "d_strong + 1 + math.ceil(d_strong * (d_weak - d_shared) / spare)"
            ),
        ),
        (
            "What is inherited stays",
            NEEDED.format(
                body="return d_strong + 1 + math.ceil(d_strong * (d_weak-d_shared)/(spare or 1e-9))"
            ),
        ),
        (
            "Round so that the promise holds",
            NEEDED.format(body=LIMIT + "d_strong + 1 + int(d_strong * (d_weak - d_shared)/spare)"),
        ),
        (
            "more than needed",
            NEEDED.format(
                body=LIMIT + "d_strong + 2 + math.ceil(d_strong*(d_weak-d_shared)/spare)"
            ),
        ),
    ],
    "q2": [
        (
            "upside down",
            SIZES.format("") + "my_prediction = 1 / answer(weak, student, baseline, ceiling)",
        ),
        (
            "risk on the pool",
            SIZES.format("") + "my_prediction = answer(weak, on_pool, baseline, ceiling)",
        ),
        (
            "from an endless pool",
            SIZES.format("")
            + "my_prediction = answer(weak, d_sw / (n - d_w - 1), baseline, ceiling)",
        ),
        (
            "spends no examples",
            SIZES.format('STUDENT = "kl12"; ') + "my_prediction = answer(d_w / n, student / weak "
            "* d_w / n, d_s / n, d_s / (n + N))",
        ),
        (
            "ceiling on the pool alone",
            SIZES.format('STUDENT = "ef9012"; ')
            + "my_prediction = answer(weak, student, baseline, d_s / (N - d_s - 1))",
        ),
        ("is below", SIZES.format("") + "my_prediction = 100 * answer(weak, student, baseline, 0)"),
        ("Write a number", "my_prediction = mine"),
    ],
    "q3": [
        (
            "without noise",
            changed(".square().sum())", ".square().sum()) + problem.noise"),
        ),
        (
            "its risk on the pool",
            changed(
                "return {role: float((fit - problem.target).square().sum())",
                "return {role: float((z[pool] @ (fit - problem.target)).square().mean()"
                " if role == 'student' else (fit - problem.target).square().sum())",
            ),
        ),
        (
            "That is the baseline's",
            changed(
                "fitted(pool, problem.strong, z[pool] @ weak_fit)",
                "fitted(labeled, problem.strong, label[labeled])",
            ),
        ),
        (
            "learned the pool's true labels",
            changed("z[pool] @ weak_fit)", "label[pool])"),
        ),
        (
            "ceiling on the pool alone",
            changed(
                "fitted(both, problem.strong, label)", "fitted(pool, problem.strong, label[pool])"
            ),
        ),
        ("draw from it alone", changed("generator=generator, ", "")),
        ("variance problem.noise", changed("problem.noise**0.5 * noise", "noise")),
        (
            "Risks are above 0|Where is the noise",
            changed("problem.noise**0.5 * noise", "0 * noise"),
        ),
    ],
    "q4": [
        (
            "alike must share at least 1 more",
            PAIR + "alike = replace(alike, target=target)\nunlike = replace(alike, noise=0.1)",
        ),
        (
            "With a target of 0",
            PAIR + "unlike = replace(alike, strong=blind)",
        ),
        (
            "differ in weak",
            PAIR + "alike = replace(alike, target=target)\n"
            "unlike = replace(IntrinsicProblem.aligned(**sizes, d_shared=0, noise=.1), "
            "target=target)",
        ),
        (
            "Which directions of the target",
            PAIR + "alike = replace(alike, target=0.01 * target)\n"
            "unlike = replace(alike, strong=blind)",
        ),
        (
            "as in mine",
            PAIR + "alike = replace(alike, target=target, n_labeled=70 + mine['n_labeled'])\n"
            "unlike = replace(alike, strong=blind)",
        ),
        ("differ in noise", PAIR + "unlike = replace(alike, noise=4.0, strong=blind)"),
    ],
}
