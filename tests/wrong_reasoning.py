"""Known-wrong answers to the assignment on reasoning, each with the hint it must get."""

CHAIN = """
def answer_right(right, steps, base):
    return {formula}
"""

OWN = """
{first}mine = draw(STUDENT, "reasoning", term="open")
s, k, b = mine["right"], mine["steps"], mine["base"]
whole, answer = s**k, (1 + (b - 1) * ((s * b - 1) / (b - 1)) ** k) / b
my_prediction = {formula}
"""
IDS = {"LUCKY": "ab1234", "STEPS": "ef9012"}  # what they are asked for

VOTE = """
def consistent(values, share):
    known = torch.arange(int(values.max().clamp_min(0)) + 1)
    count = (values[:, :, None] == known).sum(0)
    most, answer = count.max(1).values, count.int().argmax(1)
    answer = torch.where(most > 0, answer, -1)
    return answer, (most >= share * len(values) - 1e-9) & (most > 0)
"""

LAST = "count.shape[1] - 1 - count.flip(1).int().argmax(1)"
COUNTS_SILENCE = """
def consistent(values, share):
    known = torch.arange(-1, int(values.max()) + 1)
    count = (values[:, :, None] == known).sum(0)
    most, answer = count.max(1).values, known[count.int().argmax(1)]
    return answer, (most >= share * len(values) - 1e-9) & (answer >= 0)
"""

DRAWS = """
truth = torch.zeros(100, dtype=torch.int64)
values = torch.zeros(8, 100, dtype=torch.int64)
values[:, :32] = 1
values[5:, 32:80] = torch.tensor([2, 3, 4])[:, None]
{change}
"""


def own(formula: str, asked: str) -> str:
    """An answer to question 2 by a student who is asked for this."""
    return OWN.format(first=f'STUDENT = "{IDS[asked]}"; ', formula=formula)


def changed(old: str, new: str) -> str:
    """VOTE with one thing changed."""
    assert old in VOTE
    return VOTE.replace(old, new)


PAIRS = "right**steps + steps * (steps - 1) / 2 * right ** (steps - 2) * (1 - right) ** 2"

WRONG = {
    "q1": [
        ("Mistakes can cancel", CHAIN.format(formula="right**steps")),
        ("More than two mistakes", CHAIN.format(formula=f"{PAIRS} / (base - 1)")),
        ("one of base - 1 sizes", CHAIN.format(formula=PAIRS)),
        ("0 is none of them", CHAIN.format(formula=f"{PAIRS} / base")),
        ("At least one right", CHAIN.format(formula="1 - (1 - right) ** steps")),
        ("probability of a mistake", CHAIN.format(formula="1 - right**steps")),
    ],
    "q2": [
        ("not of all derivations", own("answer - whole", "LUCKY")),
        ("without a mistake", own("whole / answer", "LUCKY")),
        ("derivations with a mistake", own("(answer - whole) / (1 - whole)", "LUCKY")),
        ("not of all: divide", own("s - whole", "STEPS")),
        ("whatever its answer", own("(s - answer) / (1 - answer)", "STEPS")),
        ("fewer right steps", own("s", "STEPS")),
    ],
    "q3": [
        ("Return a pair", changed("return answer, ", "return ")),
        ("must be bool", VOTE.replace("(most > 0)", "(most > 0) * 1").replace(") & (", ") * (")),
        ("the smaller counts", changed("count.int().argmax(1)", LAST)),
        ("is .75, and enough", changed("most >= share * len(values) - 1e-9", "most > share * 4")),
        ("-1 is no answer", COUNTS_SILENCE),
        ("shares of all draws", changed("share * len(values)", "share * (values >= 0).sum(0)")),
        ("No draw gave an answer", changed("torch.where(most > 0, answer, -1)", "answer")),
        ("is never kept", changed("- 1e-9) & (most > 0)", "- 1e-9) | (most == 0)")),
    ],
    "q4": [
        ("merely bad", DRAWS.format(change="truth = truth + 1")),
        ("certain and wrong", DRAWS.format(change="values[:, :32] = 0; values[:, :10] = 1")),
        ("keeps 100 questions", DRAWS.format(change="values[:, 32:] = 0")),
        ("holds 0 to 4", DRAWS.format(change="values[0, 0] = 5")),
        ("must be a tensor", DRAWS.format(change="values = values.T")),
        ("at least half must be", DRAWS.format(change="values[:, :36] = 1")),
    ],
}
