"""DOT: names as quoted identifiers that Graphviz, pydot and networkx read alike."""

from __future__ import annotations

from causaldisc.exporters._names import escape_all

# Inside a quoted identifier only the quote can be escaped, and pydot does not undo that; a backslash before the closing quote
# would swallow it; pydot takes the three keywords for defaults even when quoted; networkx strips blanks and quotes.
_UNSAFE = r'["\\\x00-\x1f\x7f\u0085\u2028\u2029]|^\s|\s$|^(?:node|edge|graph)$'


def dot_names(names: tuple[str, ...]) -> dict[str, str]:
    """Return name → identifier, without the quotes."""
    return escape_all(names, _UNSAFE)


def quoted(identifier: str) -> str:
    """Return the identifier in quotes."""
    return f'"{identifier}"'


def label(text: str) -> str:
    """Return a quoted label that shows the text as it is: escapes and entities are neutralised, line breaks kept.

    >>> print(label('a "b" <c>'))
    "a &#34;b&#34; &#60;c&#62;"
    """
    shown = "".join(
        c if c.isalnum() or c in " _.:/-" else r"\n" if c == "\n" else f"&#{ord(c)};" for c in text if c == "\n" or ord(c) > 31
    )
    return f'"{shown}"'
