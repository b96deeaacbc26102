"""Known-wrong answers to the assignment on confidence retraining, each with its hint."""

SHARE = """
def wrong_share(error, p_right, p_wrong, q):
    def pull(p):
        return {pull}
    wrong, right = {weights}
    return {answer}
"""
WEIGHTS = "error * pull(p_wrong), (1 - error) * pull(p_right)"
WHOLE = "wrong / (wrong + right)"

KEPT = """
{first}mine = draw(STUDENT, "confidence", term="open")
eta, a, b = mine["minority"], mine["kept_majority"], mine["kept_minority"]
def answer(x, y):
    right = x * mine["right_minority"] + y * mine["right_majority"]
    return (x if mine["asked"] == "share of the minority" else right) / (x + y)
my_prediction = {formula}
"""

MASK = """
def surest_by_class(output, fraction):
    log_p = output.log_softmax(-1)
    doubt, predicted = -(log_p.exp() * log_p).sum(-1), output.argmax(-1)
    mask = torch.zeros_like(predicted, dtype=torch.bool)
    for head in range(len(output)):
        for c in range(output.shape[-1]):
            members = (predicted[head] == c).nonzero()[:, 0]
            wanted = math.ceil(fraction * len(members) - 1e-9)
            mask[head, members[doubt[head, members].argsort()[:wanted]]] = True
    return mask
"""

POOL = """
minority = round(200 * mine["minority"])
sure = torch.arange(200) < 100
margin = torch.where(sure, 6.0, 1.0) + 0.001 * torch.arange(200)
output = torch.stack([margin, torch.zeros(200)], 1).double()
group = (torch.arange(200) >= 200 - minority).long()
label = (sure & (torch.arange(200) % 2 == 1)).long()
{change}
"""


def share(pull: str, weights: str = WEIGHTS, answer: str = WHOLE) -> str:
    """An answer to question 1."""
    return SHARE.format(pull=pull, weights=weights, answer=answer)


def kept(formula: str, student: str = "") -> str:
    """An answer to question 2, perhaps for another id."""
    first = f'STUDENT = "{student}"; ' if student else ""
    return KEPT.format(first=first, formula=formula)


def changed(old: str, new: str) -> str:
    """MASK with one thing changed."""
    assert old in MASK
    return MASK.replace(old, new)


WRONG = {
    "q1": [
        ("cross-entropy's pull", share("1 - p")),
        ("Derive by the logit", share("p ** (q - 1)")),
        ("By the logit, p itself", share("p ** q")),
        ("share of the loss|cross-entropy's pull", share("(1 - p**q) / q")),
        ("ratio of wrong to right", share("p**q * (1 - p)", answer="wrong / right")),
        ("share of the right ones", share("p**q * (1 - p)", answer="right / (wrong + right)")),
        ("how many there are", share("p**q * (1 - p)", weights="pull(p_wrong), pull(p_right)")),
    ],
    "q2": [
        ("of the whole pool", kept("answer(eta*b, (1 - eta)*a) * (eta*b + (1 - eta)*a)", "ef9012")),
        ("Weigh the groups", kept("answer(b, a)", "ab1234")),
        ("before the selection", kept("answer(eta, 1 - eta)", "ab1234")),
        ("share for the majority's", kept("answer((1 - eta) * b, eta * a)", "ab1234")),
        ("its share falls", kept("eta", "ef9012")),
        ("mean of both groups", kept("mine['right_majority']", "ab1234")),
    ],
    "q3": [
        ("those it doubts", changed("argsort()", "argsort(descending=True)")),
        (
            "Class 1 is lost",
            changed(
                "members = (predicted[head] == c).nonzero()[:, 0]",
                "members = torch.arange(len(predicted[head]))",
            ),
        ),
        (
            "Round up",
            changed("math.ceil(fraction * len(members) - 1e-9)", "int(fraction * len(members))"),
        ),
        (
            "largest probability is another order",
            changed("-(log_p.exp() * log_p).sum(-1)", "-log_p.amax(-1)"),
        ),
        (
            "of probabilities, not of logits",
            changed("-(log_p.exp() * log_p).sum(-1)", "-output.amax(-1)"),
        ),
        ("Return a bool mask", changed("return mask", "return mask.double()")),
        (
            "compared with itself alone",
            """
def surest_by_class(output, fraction):
    log_p = output.log_softmax(-1)
    doubt, predicted = -(log_p.exp() * log_p).sum(-1), output.argmax(-1)
    mask = torch.zeros_like(predicted, dtype=torch.bool)
    for c in range(output.shape[-1]):
        members = predicted == c
        ordered = doubt[members].sort().values
        mask |= members & (doubt <= ordered[math.ceil(fraction * len(ordered) - 1e-9) - 1])
    return mask
""",
        ),
    ],
    "q4": [
        ("must be right", POOL.format(change="label = 1 - label")),
        (
            "sure and wrong",
            POOL.format(change="label = (~sure & (torch.arange(200) % 3 == 1)).long()"),
        ),
        ("must drop minority examples", POOL.format(change="group = group.flip(0)")),
        ("equally sure", POOL.format(change="output = 0 * output")),
        ("as in mine", POOL.format(change="group = group * (torch.arange(200) % 2)")),
        ("holds 0 and 1", POOL.format(change="label = label.double() + 0.5")),
    ],
}
