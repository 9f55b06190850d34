#!/usr/bin/env bash
# Create .venv with all dependencies at the versions of constraints.txt.
# Uses uv from PATH, else installs it from PyPI.
set -euo pipefail
cd "$(dirname "$0")/.."

venv=.venv
# flytekit supports no Python after 3.12. If there is only a later one, uv finds or downloads 3.12.
python=${PYTHON:-python3}
target=3.12
for candidate in "$python" python3.12 python3.11; do
  if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' 2>/dev/null; then
    python=$candidate
    target=$("$candidate" -c 'import sys; print(sys.executable)')
    break
  fi
done
"$python" --version >/dev/null 2>&1 || { echo "Python 3.11 or later is needed; install it, or set PYTHON to its path" >&2; exit 1; }

# uv does not read pip's configuration, which is where another package index is usually set.
if [ -z "${UV_INDEX_URL:-}${UV_DEFAULT_INDEX:-}" ]; then
  index=${PIP_INDEX_URL:-$("$python" -m pip config get global.index-url 2>/dev/null || true)}
  [ -z "$index" ] || export UV_DEFAULT_INDEX=$index
fi
[ -n "${UV_FIND_LINKS:-}" ] || [ -z "${PIP_FIND_LINKS:-}" ] || export UV_FIND_LINKS=${PIP_FIND_LINKS// /,}

uv=uv
if ! uv --version >/dev/null 2>&1; then
  uv=.state/uv/bin/uv
  if [ ! -x "$uv" ]; then
    "$python" -m venv .state/uv
    .state/uv/bin/python -m pip install --quiet --disable-pip-version-check uv
  fi
fi

[ -x "$venv/bin/python" ] || "$uv" venv --quiet --python "$target" "$venv" || {
  echo "flytekit needs Python 3.11 or 3.12, and uv could not download it; install one, or set PYTHON to its path" >&2
  exit 1
}
"$uv" pip install --quiet --python "$venv/bin/python" --constraint constraints.txt --editable '.[dev]'

# Without bytecode the first start of every process takes twice as long. Modules that are never imported are left out.
left_out='/(tests?|testing|kubernetes|azure|mypy|mypyc|setuptools|hypothesis|_pytest|botocore|joblib|lexers|authlib)/'
"$venv/bin/python" -m compileall -q -j 0 -x "$left_out" "$venv"/lib/python3*/site-packages flytetemporal || true
