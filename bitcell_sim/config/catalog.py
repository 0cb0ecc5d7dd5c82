"""The models that come with the package, by kind and name."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

from bitcell_sim.config.wording import did_you_mean
from bitcell_sim.errors import InputError

Kind = Literal[
    "deployments",
    "latency",
    "protocols",
    "proofs",
    "workloads",
    "targets",
    "fault_rates",
    "chaos",
    "on_call",
    "prices",
    "scenarios",
    "sweeps",
]

KINDS: tuple[Kind, ...] = get_args(Kind)

# Scenarios and long-run rates are both about faults; a file of rates says so in its name.
_FOLDERS: dict[Kind, str] = {kind: kind for kind in KINDS} | {"fault_rates": "faults", "scenarios": "faults"}
_PACKAGE = Path(__file__).resolve().parents[1]


def models_dir() -> Path:
    """Folder of the models: beside the package in a checkout, else inside the installed package.

    Raises
    ------
    InputError
        If neither is there, as in a broken installation.
    """
    for folder in (_PACKAGE.parent / "models", _PACKAGE / "models"):
        if (folder / "deployments").is_dir() and (folder / "latency").is_dir():
            return folder
    raise InputError(
        f"no models: neither {_PACKAGE.parent / 'models'} nor {_PACKAGE / 'models'}; install the package again"
    )


def _folder(kind: str) -> str:
    for known, folder in _FOLDERS.items():
        if known == kind:
            return folder
    raise InputError(f"unknown kind of model {kind!r}{did_you_mean(kind, KINDS)}")


def names(kind: str) -> list[str]:
    """Names of the models of a kind, sorted.

    Parameters
    ----------
    kind : str
        One of ``KINDS``.
    """
    folder = models_dir() / _folder(kind)
    found = sorted(file.stem for file in folder.glob("*.toml"))
    if folder.name != "faults":
        return found
    return [name for name in found if (name == "rates" or name.endswith("-rates")) == (kind == "fault_rates")]


def unknown_name(kind: str, name: str) -> str:
    """Sentence that says that no model of a kind has that name, and which one was probably meant."""
    return f"no {name!r} in models/{_folder(kind)}{did_you_mean(name, names(kind))}"


def path(kind: str, name: str) -> Path:
    """File of a model.

    Parameters
    ----------
    kind : str
        One of ``KINDS``.
    name : str
        Name of the model, without ``.toml``.

    Raises
    ------
    InputError
        If the kind or the name is unknown; says which was probably meant.
    """
    if name not in names(kind):
        raise InputError(unknown_name(kind, name))
    return models_dir() / _folder(kind) / f"{name}.toml"
