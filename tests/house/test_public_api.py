"""The names that ``import bitcell_sim`` promises: each resolves, says what it does, and costs nothing until used."""

from __future__ import annotations

import inspect
import subprocess
import sys

import bitcell_sim

HEAVY = ("numba", "pandas", "matplotlib", "pyarrow", "scipy", "networkx")

REPORT_HEAVY = f"""
import sys
loaded = sorted(name for name in {HEAVY!r} if name in sys.modules)
sys.exit("loaded: " + ", ".join(loaded) if loaded else 0)
"""


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)


def test_public_names_resolve_and_are_listed() -> None:
    names = bitcell_sim.__all__
    assert names == sorted(set(names)), "__all__ is sorted and names each thing once"
    assert {"simulate", "verify"} <= set(names)
    missing = [name for name in names if not hasattr(bitcell_sim, name)]
    assert not missing
    assert set(names) <= set(dir(bitcell_sim))


def test_public_names_are_documented() -> None:
    faults = []
    for name in bitcell_sim.__all__:
        thing = getattr(bitcell_sim, name)
        if not (inspect.isfunction(thing) or inspect.isclass(thing)):
            continue
        docstring = inspect.getdoc(thing) or ""
        if not docstring.partition("\n")[0].strip():
            faults.append(f"{name}: no docstring")
        if inspect.isfunction(thing) and inspect.signature(thing).parameters and "\nParameters\n-----" not in docstring:
            faults.append(f"{name}: takes arguments and has no Parameters section")
    assert not faults


def test_importing_the_package_loads_nothing_heavy() -> None:
    result = run_python("import bitcell_sim\n" + REPORT_HEAVY)
    assert result.returncode == 0, result.stderr


def test_importing_the_cli_loads_nothing_heavy() -> None:
    result = run_python("import bitcell_sim.cli\n" + REPORT_HEAVY)
    assert result.returncode == 0, result.stderr


def test_help_loads_nothing_heavy() -> None:
    code = """
import contextlib, sys
import bitcell_sim.cli
sys.argv = ["bitcell-sim", "--help"]
try:
    bitcell_sim.cli.main()
except SystemExit as stop:
    assert not stop.code, stop.code
"""
    result = run_python(code + REPORT_HEAVY)
    assert result.returncode == 0, result.stderr
    assert "verify" in result.stdout


def test_running_the_package_is_the_command() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "bitcell_sim", "--version"], capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 0, result.stderr
    assert bitcell_sim.__version__ in result.stdout
