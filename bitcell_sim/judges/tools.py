"""Where the real tools are."""

from __future__ import annotations

import os
import shutil

from bitcell_sim.errors import MissingToolError

# Debian keeps some outside the PATH of a plain user.
SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")


def find_tool(name: str) -> str:
    """Path of a program.

    Raises
    ------
    MissingToolError
        If it is not installed.
    """
    found = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", os.defpath), *SYSTEM_FOLDERS]))
    if found is None:
        raise MissingToolError(f"{name} is not installed: make tools (or, on Debian, apt-get install {name})")
    return found
