"""Telemetry's habits: what kind each series is, how it is treated, what is hidden, and when nothing can be told."""

from causaldisc.habits._answers import Answers, answers
from causaldisc.habits._load import Load, adjust, hidden_load
from causaldisc.habits._preset import PRESETS, Prepared, Preset, choose, preset
from causaldisc.habits._recognise import Habit, recognise
from causaldisc.habits._treat import Treated, treat
from causaldisc.habits._verdict import verdict

__all__ = [
    "PRESETS",
    "Answers",
    "Habit",
    "Load",
    "Prepared",
    "Preset",
    "Treated",
    "adjust",
    "answers",
    "choose",
    "hidden_load",
    "preset",
    "recognise",
    "treat",
    "verdict",
]
