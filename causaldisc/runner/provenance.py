"""Where a result comes from: the commit of the working directory."""

from __future__ import annotations

import functools
import subprocess
from pathlib import Path


@functools.lru_cache(maxsize=16)
def git_commit(folder: Path | None = None) -> str:
    """Return the commit that is checked out in a folder (default: the working directory).

    Tracked files that differ from it add ``-dirty``. Empty outside a git checkout, or without git.
    """
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
