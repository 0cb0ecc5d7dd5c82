"""The marker for outside programs does what `make help` and the README say: skip and say so, or fail where promised."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SUITE = """
import pytest

@pytest.mark.tool("promtool")
def test_needs_it(program):
    assert program.endswith("promtool")
"""


def run_suite(folder: Path, suite: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a suite beside a copy of the house's conftest, with an empty folder as PATH."""
    shutil.copy(ROOT / "tests" / "conftest.py", folder)
    (folder / "test_suite.py").write_text(suite, encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = tool(name): outside program\n", encoding="utf-8")
    inherited = {name: value for name, value in os.environ.items() if name != "BITCELL_SIM_REQUIRE_TOOLS"}
    command = [sys.executable, "-m", "pytest", "-q", "-ra", "--strict-markers", "-p", "no:cacheprovider", "."]
    return subprocess.run(
        command, cwd=folder, env=inherited | environment, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def bare_path(tmp_path: Path) -> str:
    """A PATH with nothing in it."""
    (tmp_path / "bin").mkdir()
    return str(tmp_path / "bin")


def test_a_missing_program_skips_and_says_so(tmp_path: Path, bare_path: str) -> None:
    result = run_suite(tmp_path, SUITE, PATH=bare_path)
    assert "needs promtool: make tools" in result.stdout
    assert "1 skipped" in result.stdout
    assert result.returncode == 0, result.stdout


def test_a_promised_program_that_is_missing_fails(tmp_path: Path, bare_path: str) -> None:
    result = run_suite(tmp_path, SUITE, PATH=bare_path, BITCELL_SIM_REQUIRE_TOOLS="1")
    assert result.returncode == 1, result.stdout
    assert "needs promtool: make tools" in result.stdout


def test_a_program_on_the_path_is_used(tmp_path: Path, bare_path: str) -> None:
    program = Path(bare_path, "promtool")
    program.write_text("#!/bin/sh\n", encoding="utf-8")
    program.chmod(0o755)
    result = run_suite(tmp_path, SUITE, PATH=bare_path)
    assert result.returncode == 0, result.stdout
    assert "1 passed" in result.stdout


def test_an_unknown_program_is_refused(tmp_path: Path, bare_path: str) -> None:
    result = run_suite(tmp_path, SUITE.replace("promtool", "promtol"), PATH=bare_path)
    assert result.returncode != 0
    assert "promtol" in result.stdout + result.stderr
