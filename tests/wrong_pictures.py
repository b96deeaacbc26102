"""Right and known-wrong answers to the exercises on real pictures, each with its hint."""


def reliance(zero, one):
    return ((one.argmax(-1) == 1).double() - (zero.argmax(-1) == 1).double()).mean(-1)


def changed(zero, one):
    return (zero.argmax(-1) != one.argmax(-1)).double().mean(-1)


def softly(zero, one):
    return (one.softmax(-1)[..., 1] - zero.softmax(-1)[..., 1]).mean(-1)


RELIANCE = [
    (lambda zero, one: reliance(one, zero), "sign is turned"),
    (lambda zero, one: reliance(zero, one).abs(), "Keep the sign"),
    (changed, "either direction cancel"),
    (softly, "not probabilities"),
    (lambda zero, one: reliance(zero, one).mean(), r"one number per head, shape \(3,\)"),
    (lambda zero, one: 0 * reliance(zero, one), "is right, yours is"),
]


def audited(law, *, rows="fit == 'logistic' and where == 'all' and order != 'same'"):
    law = law.query(rows)
    above = law["steepness"] > law["steepness_half"]
    every = above.groupby(law["strong"]).all()
    return int(every.sum()), len(every)


def pairs(law):
    law = law.query("fit == 'logistic' and where == 'all' and order != 'same'")
    return int((law["steepness"] > law["steepness_half"]).sum()), len(law)


def means(law):
    law = law.query("fit == 'logistic' and where == 'all' and order != 'same'")
    by_network = law.groupby("strong")[["steepness", "steepness_half"]].mean()
    return int((by_network["steepness"] > by_network["steepness_half"]).sum()), len(by_network)


def once(law):
    law = law.query("fit == 'logistic' and where == 'all' and order != 'same'")
    above = (law["steepness"] > law["steepness_half"]).groupby(law["strong"]).any()
    return int(above.sum()), len(above)


AUDITS = [
    (pairs, "6 of 8. Those are pairs"),
    (once, "ask for every teacher"),
    (means, "A mean above 0"),
    (lambda law: audited(law, rows="fit == 'logistic' and where == 'all'"), "only teaches"),
    (lambda law: audited(law, rows="where == 'all' and order != 'same'"), "Which rows count"),
    (lambda law: audited(law, rows="fit == 'logistic' and order != 'same'"), "Which rows"),
    (lambda law: (0, 0), "Group the rows"),
    (lambda law: 2, "Return two numbers"),
]
