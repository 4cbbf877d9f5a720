"""YAML as plain data: no tags that run code, and no aliases, so that a small file cannot stand for a huge one."""

from __future__ import annotations

from typing import Any

import yaml

from causaldisc.core.errors import InputError


class _Loader(yaml.SafeLoader):
    """The safe loader without anchors that are used again."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Refuse an alias where a node is expected."""
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()
            raise yaml.MarkedYAMLError(problem="aliases (*name) are not read", problem_mark=event.start_mark)
        return super().compose_node(parent, index)


def load_yaml(text: str, where: str) -> Any:
    """Parse YAML text; errors begin with ``where`` and take one line.

    >>> load_yaml("a: [1, 2]", "here")
    {'a': [1, 2]}
    >>> load_yaml("[&x 1, *x]", "here")
    Traceback (most recent call last):
    ...
    causaldisc.core.errors.InputError: here: must be YAML, got aliases (*name) are not read, line 1
    """
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise InputError(f"{where}: must be YAML, got {error.problem}{line}") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise InputError(f"{where}: must be YAML, got {' '.join(str(error).split())[:200]}") from error
