"""Compiled kernels are kept by the content of all kernel files, so that none is used after another has changed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numba

from bitcell_sim.kernels import compiling

ASK = """
import sys
sys.path.insert(0, sys.argv[1])
from caller import call
print(call())
"""


def run(folder: Path, cache: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", ASK, str(folder)],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": "/usr/bin:/bin", "HOME": str(cache)},
    )
    return done.stdout.strip()


def test_a_change_of_a_called_kernel_is_seen(tmp_path: Path) -> None:
    folder = tmp_path / "kernels"
    folder.mkdir()
    shutil.copy(compiling.__file__, folder / "compiling.py")
    (folder / "called.py").write_text("from compiling import njit\n\n@njit\ndef value():\n    return 1\n")
    (folder / "caller.py").write_text(
        "from compiling import njit\nfrom called import value\n\n@njit\ndef call():\n    return value()\n"
    )
    assert run(folder, tmp_path) == "1"
    assert run(folder, tmp_path) == "1"
    (folder / "called.py").write_text("from compiling import njit\n\n@njit\ndef value():\n    return 2\n")
    assert run(folder, tmp_path) == "2"


def test_other_code_keeps_its_own_cache() -> None:
    before = numba.core.config.CACHE_DIR

    @compiling.njit
    def three() -> int:
        return 3

    assert three() == 3
    assert before == numba.core.config.CACHE_DIR
    assert compiling.cache_folder().name.startswith("kernels-")
