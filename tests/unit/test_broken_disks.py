"""Full disks, damaged tables and half-written folders, met by the commands themselves: a clear error and its exit code,
no traceback, and nothing half-written that passes for whole."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bitcell_sim.cli import run as command
from bitcell_sim.errors import InputError
from bitcell_sim.runs.files import append_line, write_whole
from bitcell_sim.runs.store import list_runs

RUN = ["run", "rc3", "--duration", "3min", "--set", "workload.rate_tps=2", "--quiet", "--json", "-"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with one whole run."""
    folder = tmp_path_factory.mktemp("runs")
    assert command([*RUN, "--out", str(folder)]) == 0
    return folder


@pytest.fixture
def stored(runs: Path, tmp_path: Path) -> Path:
    """A copy of that run's folder."""
    import shutil

    (whole,) = list_runs(runs)
    return Path(shutil.copytree(whole.path, tmp_path / "rc3" / whole.path.name))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 kB."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to mount a small file system")
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"needs to mount a small file system: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def limited(size_bytes: int) -> Callable[[], None]:
    """What a child does first: no file of it grows beyond a size, as on a disk that fills up."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, size_bytes))


def files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() or path.is_symlink())


def said(capsys: pytest.CaptureFixture[str]) -> str:
    """What the command said on standard error, which is no traceback."""
    text = capsys.readouterr().err
    assert "Traceback" not in text
    return text


# --------------------------------------------------------------------------------------------------------- full disks


def test_a_run_on_a_full_disk_is_not_stored(small_disk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command([*RUN, "--out", str(small_disk)]) == 64
    assert f"{small_disk}/rc3: no space left on the disk, the run was not stored; free some or choose" in said(capsys)
    assert files_in(small_disk) == []
    assert list_runs(small_disk) == []


def test_finished_work_survives_a_full_disk(small_disk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What fitted is kept; with room again, the rest is done."""
    folder, filler = small_disk / "kept", small_disk / "filler"
    words = ["fuzz", "--profile", "rc3", "--set", "fault=[]", "--set", "duration_s=5", "--workers", "1", "--quiet"]
    assert command([*words, "--seeds", "2", "--keep", str(folder)]) == 0
    kept = {name: (folder / name).stat().st_mtime_ns for name in files_in(folder)}
    free = os.statvfs(small_disk)
    filler.write_bytes(bytes(free.f_bavail * free.f_bsize))
    assert command([*words, "--seeds", "4", "--keep", str(folder)]) == 64
    assert f"{folder}: no space left on the disk, a result was not stored" in said(capsys)
    assert set(files_in(folder)) == set(kept), "nothing unfinished is left"
    filler.unlink()
    assert command([*words, "--seeds", "4", "--keep", str(folder)]) == 0
    assert len(files_in(folder)) == 4
    assert {name: (folder / name).stat().st_mtime_ns for name in kept} == kept, "finished seeds were done again"


def test_a_file_that_cannot_grow(runs: Path, tmp_path: Path) -> None:
    """Without root: a limit on the size of files, which a run's tables exceed; kernels are compiled by then."""
    result = subprocess.run(
        [sys.executable, "-m", "bitcell_sim", *RUN, "--out", str(tmp_path)],
        preexec_fn=limited(4096),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 64, result.stderr
    assert f"{tmp_path}/rc3: the run cannot be stored here: File too large" in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
    assert files_in(tmp_path) == []


def test_a_page_is_whole_or_as_it_was(stored: Path, small_disk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = small_disk / "page.html"
    page.write_text("the old page", encoding="utf-8")
    assert command(["report", str(stored), "--out", str(page)]) == 64
    assert f"{page}: cannot be written: No space left on device" in said(capsys)
    assert page.read_text(encoding="utf-8") == "the old page"
    assert files_in(small_disk) == ["page.html"]


def test_a_line_is_added_whole_or_not_at_all(small_disk: Path) -> None:
    path = small_disk / "history.jsonl"
    append_line(path, json.dumps({"at": 1}))
    with pytest.raises(InputError, match=r"history\.jsonl: cannot be written: No space left on device"):
        append_line(path, "x" * 100_000)
    append_line(path, json.dumps({"at": 2}))
    assert [json.loads(line)["at"] for line in path.read_text(encoding="utf-8").splitlines()] == [1, 2]


def test_a_device_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_whole(pipe, b"content")
        assert os.read(reader, 100) == b"content"
    finally:
        os.close(reader)
    assert pipe.is_fifo()
    write_whole(Path("/dev/null"), b"content")
    assert Path("/dev/null").is_char_device()


# ------------------------------------------------------------------------------------------------ damaged and half runs


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


@pytest.mark.parametrize("spoil", [truncated, flipped, lambda path: path.write_bytes(b"")])
@pytest.mark.parametrize("words", [["explain", "RUN", "block:1"], ["report", "RUN"]])
def test_a_damaged_table_is_named(
    stored: Path, spoil: Callable[[Path], None], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(stored / "blocks.parquet")
    before = files_in(stored)
    assert command([str(stored) if word == "RUN" else word for word in words]) == 64
    assert f"{stored}/blocks.parquet: this table cannot be read, the file is damaged" in said(capsys)
    assert files_in(stored) == before, "no page is made of it"


@pytest.mark.parametrize("lost", ["manifest.json", "blocks.parquet"])
def test_a_half_written_folder_is_no_run(stored: Path, lost: str, capsys: pytest.CaptureFixture[str]) -> None:
    (stored / lost).unlink()
    assert command(["report", str(stored)]) == 64
    assert f"{stored}: this run is incomplete" in said(capsys)
    assert lost in said_again(stored, capsys)


def said_again(stored: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """What another command says of the same folder."""
    assert command(["explain", str(stored), "block:1"]) == 64
    return said(capsys)


def test_a_killed_writer_s_folder_is_not_taken_for_the_latest(stored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its name begins with a dot: the scenario's folder still stands for the whole run."""
    unfinished = stored.parent / ".unfinished-0123"
    unfinished.mkdir()
    (unfinished / "blocks.parquet").write_bytes(b"PAR1")
    assert command(["explain", str(stored.parent), "block:1"]) == 0
    assert "Traceback" not in capsys.readouterr().err
    assert [found.path for found in list_runs(stored.parent.parent)] == [stored]
