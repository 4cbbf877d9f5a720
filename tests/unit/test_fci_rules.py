"""Zhang's rules one by one on hand-worked marks, and what happens where they contradict each other."""

import numpy as np
import pytest

from causaldisc.kernels.colliders import AMBIGUOUS, COLLIDER, NONCOLLIDER
from causaldisc.kernels.fci_dsep import PossibleDsep, batches
from causaldisc.kernels.fci_layout import Layout
from causaldisc.kernels.fci_orientation import closure, orient, settle

LEFT, RIGHT = {"o": 1, "<": 2, "-": 3}, {"o": 1, ">": 2, "-": 3}


def read(text):
    """Marks of edges such as ``a o-> b``; ``marks[i, j]`` stands at j."""
    edges = [edge.split() for edge in text.split(",")]
    names = sorted({name for a, _, b in edges for name in (a, b)})
    marks = np.zeros((len(names),) * 2, np.int8)
    for a, how, b in edges:
        i, j = names.index(a), names.index(b)
        marks[j, i], marks[i, j] = LEFT[how[0]], RIGHT[how[2]]
    return names, marks


def oriented(text, colliders=(), ambiguous=(), members=None, selection=False):
    """Apply the rules; unshielded triples are non-colliders but for those told, as ``abc`` with b in the middle."""
    names, marks = read(text)
    pairs = np.argwhere(np.triu(marks))
    layout = Layout.of(pairs, len(names))
    kinds = np.zeros(int(layout.offsets[-1]), np.int8)
    near = [layout.near.flat[layout.near.starts[b] : layout.near.starts[b + 1]] for b in range(len(names))]
    for b, around in enumerate(near):
        for p, a in enumerate(around):
            for q, c in enumerate(around):
                if a != c and not marks[a, c]:
                    triple = "".join(sorted(names[a] + names[c]))
                    told = triple[0] + names[b] + triple[1]
                    kind = COLLIDER if told in colliders else AMBIGUOUS if told in ambiguous else NONCOLLIDER
                    kinds[layout.offsets[b] + p * len(around) + q] = kind

    def ask(asked):
        return np.full((len(asked), len(names)), AMBIGUOUS if members is None else members, np.int8)

    found, contradictions = orient(marks, layout, kinds, ask, selection)
    return names, found, contradictions


@pytest.mark.parametrize(
    ("before", "more", "after"),
    [
        ("a o-o b, b o-o c", {"colliders": ["abc"]}, "a o-> b, b <-o c"),  # R0
        ("a o-> b, b o-o c", {}, "a o-> b, b --> c"),  # R1
        ("a o-> b, b o-o c", {"ambiguous": ["abc"]}, "a o-> b, b o-o c"),
        ("a --> b, b o-> c, a o-o c", {}, "a --> b, b o-> c, a o-> c"),  # R2
        ("a o-> b, b --> c, a o-o c", {}, "a o-> b, b --> c, a o-> c"),
        (
            "a o-> d, d <-o c, a o-o b, b o-o c, b o-o d",
            {"colliders": ["adc"]},
            "a o-> d, d <-o c, a o-o b, b o-o c, b o-> d",
        ),  # R3
        (
            "t o-> a, b o-> a, a --> c, b o-o c",
            {"members": NONCOLLIDER, "colliders": ["bat"]},
            "t o-> a, b o-> a, a --> c, b --> c",
        ),  # R4
        (
            "t o-> a, b o-> a, a --> c, b o-o c",
            {"members": COLLIDER, "colliders": ["bat"]},
            "t o-> a, b <-> a, a --> c, b <-> c",
        ),
        ("t o-> a, b o-> a, a --> c, b o-o c", {"colliders": ["bat"]}, "t o-> a, b o-> a, a --> c, b o-> c"),  # R2 alone
        ("a o-o b, b o-o c, c o-o d, d o-o a", {"selection": True}, "a --- b, b --- c, c --- d, d --- a"),  # R5
        ("a o-o b, b o-o c, c o-o d, d o-o a", {}, "a o-o b, b o-o c, c o-o d, d o-o a"),
        ("a --- b, b o-o c", {"selection": True}, "a --- b, b --o c"),  # R6
        ("a --o b, b o-o c", {"selection": True}, "a --o b, b --o c"),  # R7
        ("a --> b, b --> c, a o-> c", {}, "a --> b, b --> c, a --> c"),  # R8
        (
            "a o-> c, a o-o b, b o-o d, d o-> c",
            {"colliders": ["acd"]},
            "a --> c, a o-o b, b o-o d, d --> c",
        ),  # R9, for d by way of b and a too
        ("a o-> c, b --> c, d --> c, a o-o b, a o-o d", {"colliders": ["bcd"]}, "a --> c, b --> c, d --> c, a o-o b, a o-o d"),
        (
            "a o-> c, b --> c, d --> c, a o-o b, a o-o d",
            {"colliders": ["bcd"], "ambiguous": ["bad"]},
            "a o-> c, b --> c, d --> c, a o-o b, a o-o d",
        ),  # R10
    ],
)
def test_rules(before, more, after):
    names, found, contradictions = oriented(before, **more)
    assert found.tolist() == read(after)[1].tolist(), names
    assert contradictions == 0


def test_a_mark_wanted_both_ways_stays_a_circle():
    # By R1 from a, b -> c; from d, c -> b.
    _, found, contradictions = oriented("a o-> b, b o-o c, d o-> c")
    assert found.tolist() == read("a o-> b, b o-o c, d o-> c")[1].tolist() and contradictions == 2


def test_tails_that_would_close_a_cycle_stay_circles():
    # By R1 b -> c from p, c -> d from q and d -> b from r, all at once.
    text = "b o-o c, c o-o d, d o-o b, p o-> b, q o-> c, r o-> d"
    beside = {"colliders": ["dbp", "bcq", "cdr"]}
    _, found, contradictions = oriented(text, **beside)
    assert contradictions > 0
    directed = (found == 2) & (found.T == 3)
    assert not np.trace(np.linalg.matrix_power(np.eye(6) + directed, 6)) > 6


def test_closure_carries_what_is_ruled_out_along_required_edges():
    allowed, required = ~np.eye(4, dtype=bool), np.zeros((4, 4), dtype=bool)
    required[0, 1] = required[1, 2] = True
    allowed[3, 2] = False  # 3 is no cause of 2, so not of 0 or 1 either
    possible, causes = closure(allowed, required)
    assert np.argwhere(causes).tolist() == [[0, 1], [0, 2], [1, 2]]
    assert not possible[3, :3].any() and possible[:3, 3].all() and not possible[1, 0]
    marks = settle(np.ones((4, 4), dtype=bool) & ~np.eye(4, dtype=bool), possible, causes)
    assert (marks[0, 2], marks[2, 0], marks[0, 3], marks[3, 0]) == (2, 3, 2, 1)


def test_possible_dsep_follows_colliders_and_triangles_as_far_as_a_path_may_be():
    # 0 - 1 - 2 - 3 - 4: 1 is a collider, 2 is not; 2, 3, 4 form a triangle.
    layout = Layout.of(np.array([[0, 1], [1, 2], [2, 3], [3, 4], [2, 4]]), 5)
    kinds = np.zeros(int(layout.offsets[-1]), np.int8)
    kinds[layout.offsets[1] + np.array([1, 2])] = COLLIDER
    degree = layout.near.degrees[2]
    for p, q in ((0, 1), (1, 0), (0, 2), (2, 0)):
        kinds[layout.offsets[2] + p * degree + q] = NONCOLLIDER
    every = np.ones((5, 5), dtype=bool)

    def sets(longest=9, cause=every, between=False):
        wide, pair = PossibleDsep(layout, kinds, cause, longest), np.array([[0, 4]])
        return [np.flatnonzero(row).tolist() for row in (wide.between(pair) if between else wide.of(pair))[0]]

    assert sets() == [[1, 2], [2, 3]]
    kinds[layout.offsets[2] + 1] = kinds[layout.offsets[2] + degree] = AMBIGUOUS  # 1 - 2 - 3 may be a collider
    assert sets() == [[1, 2, 3], [1, 2, 3]]  # 4 is the other end, and not a step on the way
    assert sets(2) == [[1, 2], [2, 3]] and sets(1) == [[1], [2, 3]]
    later = np.array(every)
    later[2] = False  # 2 is a cause of nothing, so of no set, nor on a way to one
    assert sets(cause=later) == [[1], [3]]


def test_of_adjacent_pairs_counts_what_lies_on_another_way_between_them():
    # A bridge 0 - 1, and a square 1 - 2 - 3 - 4 of colliders.
    layout = Layout.of(np.array([[0, 1], [1, 2], [2, 3], [3, 4], [1, 4]]), 5)
    kinds = np.full(int(layout.offsets[-1]), COLLIDER, np.int8)
    wide = PossibleDsep(layout, kinds, np.ones((5, 5), dtype=bool), 9)
    found = wide.between(np.array([[0, 1], [1, 2]]))
    assert not found[0].any() and np.flatnonzero(found[1, 0]).tolist() == [3, 4] == np.flatnonzero(found[1, 1]).tolist()


def test_batches_hold_every_pair_once_and_no_end_twice():
    rng = np.random.default_rng(0)
    pairs = np.argwhere(np.triu(rng.random((9, 9)) < 0.5, 1))
    sets, seen = rng.random((len(pairs), 2, 9)) < 0.3, []
    for at, neighbours in batches(pairs, sets):
        assert len(np.unique(pairs[at])) == 2 * len(at)
        for k in at:
            for side in range(2):
                begin, end = neighbours.starts[pairs[k, side] : pairs[k, side] + 2]
                assert neighbours.flat[begin:end].tolist() == np.flatnonzero(sets[k, side]).tolist()
        seen += at.tolist()
    assert sorted(seen) == list(range(len(pairs)))
