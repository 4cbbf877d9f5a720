"""YAML as plain data: no tags that run code, no aliases, so that a small file cannot stand for a huge one, no key twice."""

from __future__ import annotations

from typing import Any

import yaml

from causaldisc.core.errors import InputError


class _Loader(yaml.SafeLoader):
    """The safe loader without anchors that are used again, and without keys that silently win over an earlier one."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Refuse an alias where a node is expected."""
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()
            raise yaml.MarkedYAMLError(problem="aliases (*name) are not read", problem_mark=event.start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """Refuse a key that stands twice in one mapping; YAML forbids it, PyYAML keeps the last."""
        seen: set[tuple[str, str]] = set()
        for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            if isinstance(key, yaml.ScalarNode):
                if (key.tag, key.value) in seen:
                    raise yaml.MarkedYAMLError(problem=f"the key {key.value[:80]!r} twice", problem_mark=key.start_mark)
                seen.add((key.tag, key.value))
        return super().construct_mapping(node, deep)


def load_yaml(text: str, where: str) -> Any:
    r"""Parse YAML text; errors begin with ``where`` and take one line.

    >>> load_yaml("a: [1, 2]", "here")
    {'a': [1, 2]}
    >>> load_yaml("[&x 1, *x]", "here")
    Traceback (most recent call last):
    ...
    causaldisc.core.errors.InputError: here: must be YAML, got aliases (*name) are not read, line 1
    >>> load_yaml("a: 1\na: 2", "here")
    Traceback (most recent call last):
    ...
    causaldisc.core.errors.InputError: here: must be YAML, got the key 'a' twice, line 2
    """
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise InputError(f"{where}: must be YAML, got {error.problem}{line}") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise InputError(f"{where}: must be YAML, got {' '.join(str(error).split())[:200]}") from error
