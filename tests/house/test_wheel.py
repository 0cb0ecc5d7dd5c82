"""The package carries its models: inside it in a wheel, beside it in a checkout; an editable install copies none."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

SHOW_PLACES = """
import pathlib, bitcell_sim
from bitcell_sim.config.catalog import models_dir
print(pathlib.Path(bitcell_sim.__file__).resolve().parent)
print(pathlib.Path(models_dir()).resolve())
"""
BUILD_EDITABLE = """
import sys
from hatchling.build import build_editable
print(build_editable(sys.argv[1]))
"""


def run(*command: str, cwd: Path, **environment: str) -> str:
    """Output of a command that must succeed."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COV_"))}
    result = subprocess.run(
        command, cwd=cwd, env=inherited | environment, capture_output=True, text=True, timeout=580, check=False
    )
    assert result.returncode == 0, f"{' '.join(command)}\n{result.stdout}\n{result.stderr}"
    return result.stdout


def files_below(folder: Path) -> dict[str, bytes]:
    """Content of every file below a folder, by its path from there; what Python leaves behind is left out."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from this checkout, with the tools that are installed (no network)."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT), cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def target(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the wheel is installed into, and nothing else."""
    folder = tmp_path_factory.mktemp("target")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    run(*pip, "--no-deps", "--no-index", "--target", str(folder), str(wheel), cwd=folder)
    return folder


def test_a_wheel_holds_the_package_and_its_models(target: Path) -> None:
    installed = files_below(target / "bitcell_sim")
    models = {f"models/{name}": content for name, content in files_below(ROOT / "models").items()}
    assert any(name.startswith("models/deployments/") for name in models)
    assert installed == files_below(ROOT / "bitcell_sim") | models
    assert "py.typed" in installed


def test_a_wheel_puts_nothing_beside_the_package(target: Path) -> None:
    assert sorted(path.name for path in target.iterdir() if not path.name.endswith(".dist-info")) in (
        ["bitcell_sim"],
        ["bin", "bitcell_sim"],
    )


def test_an_installed_package_finds_its_own_models(target: Path, tmp_path: Path) -> None:
    package, models = run(sys.executable, "-c", SHOW_PLACES, cwd=tmp_path, PYTHONPATH=str(target)).split()
    assert Path(package) == target / "bitcell_sim"
    assert Path(models) == target / "bitcell_sim" / "models"


def test_someone_else_s_models_folder_is_not_taken(target: Path, tmp_path: Path) -> None:
    """``models`` is a common name: another distribution may own ``site-packages/models``."""
    stranger = target / "models"
    stranger.mkdir()
    try:
        (stranger / "__init__.py").write_text("", encoding="utf-8")
        _, models = run(sys.executable, "-c", SHOW_PLACES, cwd=tmp_path, PYTHONPATH=str(target)).split()
    finally:
        (stranger / "__init__.py").unlink()
        stranger.rmdir()
    assert Path(models) == target / "bitcell_sim" / "models"


def test_a_checkout_finds_the_models_beside_the_package(tmp_path: Path) -> None:
    package, models = run(sys.executable, "-c", SHOW_PLACES, cwd=tmp_path, PYTHONPATH=str(ROOT)).split()
    assert Path(package) == ROOT / "bitcell_sim"
    assert Path(models) == ROOT / "models"


def test_an_editable_install_copies_nothing(tmp_path: Path) -> None:
    """A copy of the models in site-packages would go stale; only a pointer to the checkout may be there."""
    name = run(sys.executable, "-c", BUILD_EDITABLE, str(tmp_path), cwd=ROOT).splitlines()[-1]
    with zipfile.ZipFile(tmp_path / name) as archive:
        names = [name for name in archive.namelist() if ".dist-info/" not in name]
        assert [Path(name).suffix for name in names] == [".pth"]
        assert archive.read(names[0]).decode().strip() == str(ROOT)


@pytest.mark.slow
def test_a_wheel_from_the_source_archive_is_the_same(wheel: Path, tmp_path: Path) -> None:
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", str(tmp_path), str(ROOT), cwd=tmp_path)
    (rebuilt,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as direct, zipfile.ZipFile(rebuilt) as through_archive:
        assert through_archive.namelist() == direct.namelist()
        for name in direct.namelist():
            assert through_archive.read(name) == direct.read(name), name


@pytest.mark.slow
def test_a_wheel_works_in_an_empty_environment(wheel: Path, tmp_path: Path) -> None:
    """Only what the wheel declares is installed, so a dependency it forgets shows here. Needs a package index."""
    environment = tmp_path / "environment"
    run(sys.executable, "-m", "venv", str(environment), cwd=tmp_path)
    python = str(environment / "bin" / "python")
    run(python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", str(wheel), cwd=tmp_path)
    package, models = run(python, "-c", SHOW_PLACES, cwd=tmp_path).split()
    assert Path(models) == Path(package) / "models"
    assert environment in Path(package).parents
    command = str(environment / "bin" / "bitcell-sim")
    assert "rc3" in run(command, "list", "deployments", cwd=tmp_path)
    run(python, "-c", "import bitcell_sim; [getattr(bitcell_sim, name) for name in bitcell_sim.__all__]", cwd=tmp_path)
