"""What every test shares: markers for outside programs, one hypothesis profile, a quiet terminal."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parents[1]

# Programs by the names their packages give them; Debian keeps some outside the PATH of a plain user.
PROGRAMS = {
    "promtool": ("promtool",),
    "alertmanager": ("prometheus-alertmanager", "alertmanager"),
    "amtool": ("amtool",),
    "prometheus": ("prometheus",),
    "haproxy": ("haproxy",),
    "chromium": ("chromium", "chromium-browser"),
}
SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"])

# Output must not depend on the terminal or on where the tests run; children inherit this.
os.environ.update(MPLBACKEND="Agg", NO_COLOR="1", COLUMNS="120", TERM="dumb")
for forced in ("GITHUB_ACTIONS", "FORCE_COLOR", "PY_COLORS"):
    os.environ.pop(forced, None)

# A kernel compiles at its first call, so no deadline; in CI the same examples every time.
settings.register_profile(
    "house",
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("house")


def find_program(name: str) -> str | None:
    """Return the path of an outside program by its marker name, or None where it is not installed."""
    return next((path for program in PROGRAMS[name] if (path := shutil.which(program, path=SEARCH_PATH))), None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse a marker that names no known program: its test would never run."""
    for item in items:
        for mark in item.iter_markers("tool"):
            if len(mark.args) != 1 or mark.args[0] not in PROGRAMS:
                raise pytest.UsageError(f"{item.nodeid}: tool{mark.args!r} should be one of {', '.join(PROGRAMS)}")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip, and say so, what needs a program that is not there; fail instead where it was promised."""
    for mark in item.iter_markers("tool"):
        if find_program(mark.args[0]) is None:
            reason = f"needs {mark.args[0]}: make tools"
            if os.environ.get("BITCELL_SIM_REQUIRE_TOOLS"):
                pytest.fail(f"{reason} (BITCELL_SIM_REQUIRE_TOOLS is set)", pytrace=False)
            pytest.skip(reason)


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the folder of the checkout."""
    return ROOT


@pytest.fixture
def program(request: pytest.FixtureRequest) -> str:
    """Return the path of the program that the test's ``tool`` marker names."""
    mark = request.node.get_closest_marker("tool")
    if mark is None:
        raise pytest.UsageError("the fixture `program` needs a test marked tool(name)")
    path = find_program(mark.args[0])
    assert path is not None
    return path
