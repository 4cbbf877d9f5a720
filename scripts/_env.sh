# Sourced by the scripts: makes .venv beside the project if it is absent and installs what is pinned in constraints.txt.
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
PYTHON_IN_VENV="$ROOT/.venv/bin/python"

# Install the project with an extra ("" or "[test]"), unless this very set of pins is installed already.
install_project() {
  local extra=$1 stamp="$ROOT/.venv/installed${1//[\[\]]/-}"
  local wanted
  wanted=$(cat "$ROOT/constraints.txt" "$ROOT/pyproject.toml" | cksum)
  if [ ! -x "$PYTHON_IN_VENV" ]; then
    local python=${PYTHON:-python3}
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
      echo "error: Python must be 3.11 or newer, got $("$python" --version); set PYTHON to another one" >&2
      exit 2
    }
    "$python" -m venv "$ROOT/.venv"
  fi
  [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && return
  echo "installing causaldisc$extra into .venv (a few minutes the first time)" >&2
  "$PYTHON_IN_VENV" -m pip install --quiet --disable-pip-version-check -c "$ROOT/constraints.txt" -e "$ROOT$extra"
  echo "$wanted" >"$stamp"
}
