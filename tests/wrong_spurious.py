"""Known-wrong answers to the assignment on spurious correlations, each with its hint."""

EVEN = """
def even_pool(labeled, shift_weak, carried):
    along, own = float(shift_weak @ carried), float(carried @ carried)
    {body}
"""
GUARD = "return math.nan if abs(along - own) < 1e-12 else "

RATIO = """
{first}mine = draw(STUDENT, "spurious", term="open")
t = {{"majority": 0.0, "minority": 1.0, "balanced": 0.5}}[mine["asked"]]
l, u, pairs = mine["labeled"], mine["pool"], list(zip(mine["shift_weak"], mine["carried"]))
def length(x, y):
    return sum((x * a + y * c) ** 2 for a, c in pairs)
student, weak = mine["p_shared"] + length(u - l, t - u), mine["p_weak"] + length(t - l, 0)
my_prediction = {formula}
"""

WEIGHTS = """
def student_weights(core, weak_seen, label, pool_core, pool_weak_seen, pool_strong_seen):
    def entangled(z, seen):
        entries = torch.cat([torch.ones_like(z[:, :1]), seen], 1)
        return torch.einsum("nj,ni->nji", entries, z).flatten(1)
    def fit(x, y):
        return torch.linalg.lstsq(x, y).solution
    teacher = fit(entangled(core, weak_seen), label[:, None])
    learned = fit(
        entangled(pool_core, pool_strong_seen), entangled(pool_core, pool_weak_seen) @ teacher
    )
    return learned.view(-1, core.shape[1])
"""

WORLD = """
seen = dict(overlap=1.5, separation_weak={weak}, separation_strong={strong})
shares = dict(minority_labeled={labeled}, minority_pool=0.1, minority_test={test})
sizes = dict(d_core={d}, n_labeled=1500, n_pool=3000, p_weak=mine["p_weak"]{more}, p_strong=3)
world = SpuriousProblem.aligned(**sizes, **seen, **shares, reading="{reading}")
"""
GOOD = {"weak": 1.0, "strong": 30.0, "labeled": 0.1, "test": 1.0, "d": 6, "more": ""}
GOOD = {**GOOD, "reading": "mean"}


def prediction(formula: str, student: str = "") -> str:
    """An answer to question 2, perhaps for another id."""
    first = f'STUDENT = "{student}"; ' if student else ""
    return RATIO.format(first=first, formula=formula)


def changed(*pairs: str) -> str:
    """WEIGHTS with lines changed: old, new, old, new."""
    code = WEIGHTS
    for old, new in zip(pairs[::2], pairs[1::2], strict=True):
        assert old in code
        code = code.replace(old, new)
    return code


WRONG = {
    "q1": [
        ("equally far", EVEN.format(body=GUARD + "(labeled * along + own / 2) / (along - own)")),
        ("what is left when they do not", EVEN.format(body=GUARD + "labeled * along/(along-own)")),
        (
            "on the pool at all",
            EVEN.format(body="return (labeled*along - own/2) / (along-own+1e-30)"),
        ),
        (
            "outside 0 to 1 is asked for",
            EVEN.format(body=GUARD + "min(1, max(0, (labeled * along - own / 2) / (along - own)))"),
        ),
        ("equally far|squared lengths", EVEN.format(body="return labeled")),
        (
            "squared lengths",
            EVEN.format(
                body="along = float(shift_weak.norm() * carried.norm()); "
                + GUARD
                + "(labeled * along - own / 2) / (along - own)"
            ),
        ),
    ],
    "q2": [
        ("upside down", prediction("weak / student")),
        ("opposite signs", prediction("(mine['p_shared'] + length(u - l, u - t)) / weak")),
        ("forgets that the test", prediction("(mine['p_shared'] + length(u - l, 0)) / weak")),
        (
            "Add the vectors first",
            prediction("(mine['p_shared'] + length(u - l, 0) + length(0, t - u)) / weak"),
        ),
        ("never saw the pool", prediction("student / (mine['p_weak'] + length(u - l, 0))")),
        ("without any shift", prediction("length(u - l, t - u) / weak")),
        ("too little", prediction("0.01 * student / weak")),
    ],
    "q3": [
        (
            "constant 1 is missing",
            changed("entries = torch.cat([torch.ones_like(z[:, :1]), seen], 1)", "entries = seen"),
        ),
        ("Rows and columns", changed("core.shape[1])", "core.shape[1]).T")),
        ("In which order", changed('"nj,ni->nji"', '"nj,ni->nij"')),
        (
            "side by side",
            changed(
                'torch.einsum("nj,ni->nji", entries, z).flatten(1)',
                "torch.cat([z, seen], 1)",
                "view(-1, core.shape[1])",
                "T",
            ),
        ),
        (
            "Plain least squares",
            changed(
                "torch.linalg.lstsq(x, y).solution",
                "torch.linalg.solve(x.T @ x + 1e-3 * torch.eye(x.shape[1]), x.T @ y)",
                "torch.eye(x.shape[1])",
                "torch.eye(x.shape[1], dtype=x.dtype)",
            ),
        ),
        (
            "Plain least squares",
            changed(
                "entangled(pool_core, pool_weak_seen) @ teacher",
                "entangled(pool_core, pool_weak_seen - pool_weak_seen.mean(0)) @ teacher",
            ),
        ),
    ],
    "q4": [
        ("reading B", WORLD.format(**GOOD | {"reading": "mixture"})),
        ("as in mine", WORLD.format(**GOOD | {"more": " + 1"})),
        ("which step of the journey", WORLD.format(**GOOD | {"weak": 30.0, "strong": 1.0})),
        ("carries no shift", WORLD.format(**GOOD | {"strong": 0.0})),
        ("Test on the minority", WORLD.format(**GOOD | {"test": 0.5})),
        ("A tenth of the labels", WORLD.format(**GOOD | {"labeled": 0.5})),
        ("too many to simulate", WORLD.format(**GOOD | {"d": 40})),
    ],
}
