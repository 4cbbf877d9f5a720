"""Agenda of a simulation: a binary heap of (time, code); equal times leave in the order in which they entered.

A code holds the order of entry (36 bits), the kind of the event (4 bits) and its subject (24 bits).
"""

from __future__ import annotations

from causaldisc.kernels.inner import inner

SUBJECT_BITS, KIND_BITS = 24, 4
SUBJECTS = 1 << SUBJECT_BITS
_SUBJECT, _KIND = SUBJECTS - 1, (1 << KIND_BITS) - 1
SIZE, SEQUENCE, HOLE = 0, 1, 2  # places in the registers


@inner(forceinline=True, _nrt=False)
def plan(times, codes, registers, time, kind, subject):
    """Put an event on the agenda; ``times`` float[n] and ``codes`` int[n] must have room."""
    code = (registers[SEQUENCE] << (SUBJECT_BITS + KIND_BITS)) | (kind << SUBJECT_BITS) | subject
    registers[SEQUENCE] += 1
    if registers[HOLE] == 1:
        registers[HOLE] = 0
        _sink(times, codes, registers[SIZE], time, code)
        return
    hole = registers[SIZE]
    registers[SIZE] = hole + 1
    while hole > 0:
        above = (hole - 1) >> 1
        if times[above] < time or (times[above] == time and codes[above] < code):
            break
        times[hole], codes[hole] = times[above], codes[above]
        hole = above
    times[hole], codes[hole] = time, code


@inner(forceinline=True, _nrt=False)
def take_first(registers):
    """Take the earliest event, at place 0, off the agenda; the next that is planned takes its place, most often at once."""
    registers[HOLE] = 1


@inner(forceinline=True, _nrt=False)
def close_hole(times, codes, registers):
    """Put the agenda in order again where nothing was planned since the earliest event was taken off."""
    if registers[HOLE] == 0:
        return
    registers[HOLE] = 0
    size = registers[SIZE] - 1
    registers[SIZE] = size
    _sink(times, codes, size, times[size], codes[size])


@inner(_nrt=False)
def _sink(times, codes, size, time, code):
    """Let an event sink from the empty first place of ``size`` to where it belongs."""
    hole, below = 0, 1
    while below < size:
        right = below + 1
        if right < size and (times[right] < times[below] or (times[right] == times[below] and codes[right] < codes[below])):
            below = right
        if time < times[below] or (time == times[below] and code < codes[below]):
            break
        times[hole], codes[hole] = times[below], codes[below]
        hole = below
        below = 2 * hole + 1
    times[hole], codes[hole] = time, code


@inner(forceinline=True, _nrt=False)
def kind_of(code):
    """Kind of an event."""
    return (code >> SUBJECT_BITS) & _KIND


@inner(forceinline=True, _nrt=False)
def subject_of(code):
    """Subject of an event."""
    return code & _SUBJECT
