"""Launchers: how the cells of a sweep are run; one module each, found by name like any other plug-in."""

from causaldisc.runner.launchers._base import Launcher, launchers

__all__ = ["Launcher", "launchers"]
