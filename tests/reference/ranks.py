"""The order of classes by score, as literal loops: where the label stands, and how far down the bounds let it fall."""


def rank(scores, y):
    """The place of y from 1: classes with a larger score come before it, and of equal ones those of a lower index."""
    place = 1
    for c in range(len(scores)):
        if scores[c] > scores[y] or (scores[c] == scores[y] and c < y):
            place += 1
    return place


def cautious_rank(scores, y):
    """The same, but every class that is level with y comes before it."""
    return 1 + sum(1 for c in range(len(scores)) if c != y and scores[c] >= scores[y])


def least_rank(lower, uppers, y, tolerance=0.0):
    """One more than the number of rivals that are not proved to stay below y."""
    return 1 + sum(1 for c in range(len(uppers)) if c != y and not lower - uppers[c] > tolerance)
