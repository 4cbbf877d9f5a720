"""Files: whole or not at all, and never larger than a reader can bear."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from causaldisc.core.errors import InputError

MAX_TEXT_BYTES = 256 * 2**20


def write_text(path: str | Path, text: str) -> Path:
    """Write a text file by a temporary file in the same folder and a rename; an interrupted write leaves nothing behind."""
    return write_bytes(path, text.encode("utf-8"))


def write_bytes(path: str | Path, data: bytes) -> Path:
    """Write bytes by a temporary file in the same folder and a rename.

    Raises
    ------
    InputError : the folder cannot be made, or the file cannot be written.
    """
    target = Path(path)
    temporary = ""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:40]}.", suffix=".part")
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(data)
        # mkstemp makes private files; a result is as readable as the umask lets any new file be.
        umask = os.umask(0)
        os.umask(umask)
        Path(temporary).chmod(0o666 & ~umask)
        Path(temporary).replace(target)
    except OSError as error:
        raise InputError(f"{target}: must be a writable file, got {error.strerror or error}") from error
    finally:
        if temporary and Path(temporary).exists():
            Path(temporary).unlink()
    return target


def read_text(path: str | Path, limit: int = MAX_TEXT_BYTES) -> str:
    """Read a UTF-8 text file of a bounded size; raises InputError naming the file."""
    source = Path(path)
    try:
        size = source.stat().st_size
        if size > limit:
            raise InputError(f"{source}: must be at most {limit} bytes, got {size}")
        return source.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise InputError(f"{source}: no such file") from error
    except OSError as error:
        raise InputError(f"{source}: must be a readable file, got {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{source}: must be UTF-8 text, got byte {error.object[error.start]:#04x} at {error.start}") from error


def check_file(path: str | Path, limit: int = MAX_TEXT_BYTES) -> Path:
    """Return the path of a readable, non-empty regular file of a bounded size; raises InputError naming the file."""
    source = Path(path)
    try:
        if source.is_dir():
            raise InputError(f"{source}: must be a file, got a directory")
        if not source.exists():
            raise InputError(f"{source}: no such file")
        if not source.is_file():
            raise InputError(f"{source}: must be a regular file")
        size = source.stat().st_size
        source.open("rb").close()
    except (OSError, ValueError) as error:
        raise InputError(f"{source}: must be a readable file, got {getattr(error, 'strerror', None) or error}") from error
    if size == 0:
        raise InputError(f"{source}: must not be empty, got 0 bytes")
    if size > limit:
        raise InputError(f"{source}: must be at most {limit} bytes, got {size}")
    return source


def read_json(path: str | Path, limit: int = MAX_TEXT_BYTES) -> Any:
    """Read a JSON file; raises InputError naming the file and the place."""
    text = read_text(path, limit)
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise InputError(f"{path}: must be JSON, got {error}") from error


def write_json(path: str | Path, data: Any) -> Path:
    """Write JSON (NaN becomes null) by a temporary file and a rename."""
    return write_text(path, json.dumps(plain(data), indent=1, allow_nan=False) + "\n")


def yaml_text(data: Any) -> str:
    r"""Return YAML that reads back as the same data, in the order given; JSON-ready data only.

    >>> yaml_text({"größe": ["a", 1]})
    'größe:\n- a\n- 1\n'
    """
    import yaml

    # PyYAML writes these line separators bare and folds them to blanks on reading; escaped they survive.
    folded = any(c in json.dumps(data, ensure_ascii=False) for c in "\x85\u2028\u2029")
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=not folded, width=120)


def plain(data: Any) -> Any:
    """Turn numpy scalars and arrays, tuples, sets and NaN into what JSON can say.

    >>> plain({"a": (1.0, float("nan"))})
    {'a': [1.0, None]}
    """
    if isinstance(data, dict):
        return {str(k): plain(v) for k, v in data.items()}
    if isinstance(data, list | tuple):
        return [plain(v) for v in data]
    if isinstance(data, set | frozenset):
        return sorted(plain(v) for v in data)
    if hasattr(data, "tolist"):
        return plain(data.tolist())
    if isinstance(data, float) and (data != data or data in (float("inf"), float("-inf"))):
        return None
    if isinstance(data, Path):
        return str(data)
    return data
