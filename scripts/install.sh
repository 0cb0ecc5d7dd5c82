#!/usr/bin/env bash
# Creates .venv in the checkout and installs the project into it, editable.
#
#   scripts/install.sh run    what `bitcell-sim` needs
#   scripts/install.sh dev    what tests, checks and notebooks need, too
#
# With uv where it is on the PATH, else with `python3 -m venv` and pip. Nothing outside .venv changes.
# A stamp in .venv, keyed on what was asked for, makes a second call fast.
# PYTHON=/path/to/python chooses the interpreter.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

kind=${1:-run}
venv=.venv
oldest=3.11

say() { echo "==> $*"; }
fail() { printf '%s\n' "$@" >&2; exit 1; }

case $kind in
  run | dev) ;;
  *) fail "usage: scripts/install.sh run|dev (not '$kind')" ;;
esac

# What an installation was made from. Another folder counts: scripts in a copied .venv still point to the old one.
key=$({ cat pyproject.toml scripts/install.sh; grep '^__version__' bitcell_sim/__init__.py; pwd; } | sha256sum | cut -d' ' -f1)
stamp=$venv/.installed

stamped() { [ -f "$stamp-$1" ] && [ "$(cat "$stamp-$1")" = "$key $PWD" ]; }
if [ -z "${PYTHON:-}" ] && [ -x $venv/bin/python ] && { stamped "$kind" || stamped dev; }; then
  exit 0
fi

new_enough() { "$1" -c "import sys; sys.exit(sys.version_info < (${oldest/./, }))" 2>/dev/null; }

# Prints the first interpreter that is new enough and passes the test in $1 (a line of Python).
find_python() {
  local candidate
  for candidate in ${PYTHON:-python3 python3.11 python3.12 python3.13}; do
    if new_enough "$candidate" && "$candidate" -c "$1" 2>/dev/null; then
      "$candidate" -c 'import sys; print(sys.executable)'
      return
    fi
  done
  return 1
}

# The installation behind an interpreter, through any environment around it.
home_of() { "$1" -c 'import sys; print(sys.base_prefix, sys.version)' 2>/dev/null; }
version_of() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])'; }

# uv learned --group in 2025; an older one is as good as none.
use_uv() { command -v uv >/dev/null && uv pip install --help 2>/dev/null | grep -q -- '--group'; }

no_python() {
  fail "bitcell-sim needs Python $oldest or newer; tried ${PYTHON:-python3 python3.11 python3.12 python3.13}, found $(
    ${PYTHON:-python3} --version 2>/dev/null || echo none
  )." "On Debian 12: apt-get install python3 python3-venv. Or name one: make PYTHON=/path/to/python3.11 ..."
}

no_venv() {
  local python=$1 package
  package=python$(version_of "$python")-venv
  fail "$python cannot make a virtual environment: its module ensurepip is missing." \
    "On Debian and Ubuntu: apt-get install $package (then run this again)." \
    "Or put uv on the PATH, which needs none of it."
}

remove_unusable_venv() {
  [ -e $venv ] || return 0
  local old=""
  [ ! -f $venv/.installed-run ] || old=$(cut -d' ' -f2- $venv/.installed-run)
  if ! new_enough $venv/bin/python; then
    say "$venv has no working Python $oldest or newer: making it anew"
  elif [ -n "$old" ] && [ "$old" != "$PWD" ]; then
    say "$venv was made for $old: making it anew"
  elif [ -n "${PYTHON:-}" ] && [ "$(home_of "$PYTHON")" != "$(home_of $venv/bin/python)" ]; then
    new_enough "$PYTHON" || no_python
    say "$venv was made with another Python than $PYTHON: making it anew"
  else
    return 0
  fi
  [ -f $venv/pyvenv.cfg ] || fail "$venv is there but is no virtual environment: move it away and run this again."
  rm -rf $venv
}

create_venv() {
  local python
  if use_uv; then
    python=$(find_python "import venv") || python=">=$oldest"
    say "creating $venv with uv ($python)"
    uv venv --quiet --python "$python" $venv
  else
    python=$(find_python "import venv, ensurepip") || {
      python=$(find_python "") || no_python
      no_venv "$python"
    }
    say "creating $venv with $python ($(version_of "$python"))"
    "$python" -m venv $venv
  fi
}

install_with_uv() {
  say "installing the project${1:+ and its development tools} with uv"
  uv pip install --python $venv/bin/python --editable . ${1:+--group "$1"}
}

install_with_pip() {
  local python=$venv/bin/python quiet=""
  [ -t 1 ] || quiet=--quiet
  "$python" -m pip --version >/dev/null 2>&1 || "$python" -m ensurepip >/dev/null || no_venv "$python"
  if [ -n "${1:-}" ] && ! "$python" -m pip install --help | grep -q -- '--group'; then
    say "upgrading pip inside $venv: dependency groups need 25.1"
    "$python" -m pip install $quiet --disable-pip-version-check --upgrade 'pip>=25.1'
  fi
  say "installing the project${1:+ and its development tools} with pip (a minute or so)"
  "$python" -m pip install $quiet --disable-pip-version-check --editable . ${1:+--group "$1"}
}

remove_unusable_venv
if [ -x $venv/bin/python ] && { stamped "$kind" || stamped dev; }; then
  exit 0
fi
[ -x $venv/bin/python ] || create_venv
group=""
[ "$kind" = run ] || group=dev
if use_uv; then install_with_uv $group; else install_with_pip $group; fi
echo "$key $PWD" >"$stamp-run"
[ "$kind" = run ] || echo "$key $PWD" >"$stamp-dev"
