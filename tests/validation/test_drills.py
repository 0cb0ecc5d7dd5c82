"""Drills: the fault is noticed by the real rule engine, people end it, and without them it stays."""

from __future__ import annotations

import pytest

from bitcell_sim.report.review import drill_review
from bitcell_sim.studies.drill import Request, drill, drills

HEAL_ALONE = {"regional-failure", "high-proof-generation-time", "security-incidents"}  # or leave the mesh well


@pytest.mark.slow
@pytest.mark.tool("promtool")
@pytest.mark.parametrize("name", drills())
def test_people_get_the_mesh_well_again(name: str) -> None:
    content = drill(Request(name))
    times = content["times_s"]
    assert content["converged"]
    assert times["detected"] is not None
    assert times["detected"] <= times["acknowledged"] <= times["mitigated"] <= times["resolved"]
    assert times["recovered"] is not None
    assert (content["without_people"]["recovered"] is None) == (name not in HEAL_ALONE)
    page = drill_review(content)
    assert "**the fault begins**" in page
    assert "**the mesh is well again**" in page
