"""Known-wrong answers to the assignment on whole networks, each with its hint."""

TRUE = """
def true_accuracy(agreement, teacher, repeated):
    wrong = 1 - teacher
    return {answer}
"""

LOOKS = """
STUDENT = "{student}"
mine = draw(STUDENT, "whole_networks", term="open")
wrong = 1 - mine["teacher"]
def at(look, pull=2.0, share=wrong):
    return mine[f"agrees_{{look}}"] + share * (1 - pull * mine[f"repeats_{{look}}"])
def answer(first, second):
    return second if mine["asked"] == "accuracy at the second look" else second - first
my_prediction = {formula}
"""

MIXED = """
def mixed(output, target, progress, most, warm_up):
    odds = (output[..., 1] - output[..., 0]).detach()
    quota = (target[..., 1].mean(-1) * odds.shape[-1]).round()
    rank = odds.argsort(dim=-1, descending=True).argsort(-1)
    own = torch.nn.functional.one_hot((rank < quota[:, None]).long(), 2).to(target.dtype)
    weight = most * min(1.0, progress / warm_up)
    return (1 - weight) * target + weight * own
"""

HELD = """
truth = torch.arange(200) % 2
wrong = torch.arange(200) < round(200 * (1 - mine["teacher"]))
weak = torch.where(wrong, 1 - truth, truth)
early, late = truth, weak
{change}
"""


def true(answer: str) -> str:
    """An answer to question 1."""
    return TRUE.format(answer=answer)


def looked(formula: str, student: str) -> str:
    """An answer to question 2, for an id."""
    return LOOKS.format(student=student, formula=formula)


def changed(old: str, new: str) -> str:
    """MIXED with one thing changed."""
    assert old in MIXED
    return MIXED.replace(old, new)


LEVEL, CHANGE = "cd5678", "ab1234"  # ids that are asked for the accuracy, the difference

WRONG = {
    "q1": [
        ("right where its teacher is", true("agreement")),
        ("repeated mistakes as right answers", true("agreement + wrong * (1 - repeated)")),
        ("Where it contradicts a wrong label", true("agreement - wrong * repeated")),
        ("share of the wrong labels, not of all", true("agreement + wrong - 2 * repeated")),
        ("how often it is wrong", true("1 - agreement")),
        ("counts among the agreements", true("agreement - 2 * wrong * repeated")),
    ],
    "q2": [
        ("first look for the second", looked("answer(at('second'), at('first'))", LEVEL)),
        ("first look for the second", looked("answer(at('second'), at('first'))", CHANGE)),
        ("it counts twice", looked("answer(at('first', 1.0), at('second', 1.0))", LEVEL)),
        (
            "accuracy for its error",
            looked("answer(at('first', 2, 1 - wrong), at('second', 2, 1 - wrong))", CHANGE),
        ),
        ("better than chance", looked("1.2", LEVEL)),
        ("by less than its agreement", looked("0.5", CHANGE)),
    ],
    "q3": [
        ("match the share", changed("rank < quota[:, None]", "odds > 0")),
        ("smallest odds", changed("descending=True", "descending=False")),
        (
            "nothing jumps there",
            changed("min(1.0, progress / warm_up)", "(progress if progress < warm_up else 1.0)"),
        ),
        ("A straight line", changed("min(1.0, progress / warm_up)", "1.0")),
        ("One label of class 1", changed("(1 - weight) * target", "target")),
        ("a gradient passes", changed("weight * own", "weight * (own + output - output.detach())")),
        (
            "a quota of its own",
            changed(
                "rank = odds.argsort(dim=-1, descending=True).argsort(-1)",
                "rank = odds.flatten().argsort(descending=True).argsort().view(odds.shape)",
            ).replace("quota[:, None]", "(target[..., 1].mean() * odds.numel()).round()"),
        ),
    ],
    "q4": [
        ("merely bad", HELD.format(change="early = 1 - truth")),
        ("agree by .05 more", HELD.format(change="late = early")),
        (
            "right by .05 less",
            HELD.format(change="early = torch.where(torch.arange(200) >= 120, 1 - truth, truth)"),
        ),
        ("as in mine", HELD.format(change="weak = truth")),
        ("holds 0 and 1", HELD.format(change="early = early + 0.5")),
    ],
}
