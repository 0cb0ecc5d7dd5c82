"""Errors that a person can act on: what is wrong, where, and what would be right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

EXIT_BAD_INPUT = 64


class LabError(Exception):
    """Base of every error this package raises on purpose; the command line prints it without a traceback."""


class InputError(LabError):
    """Something the user gave (a file, a key, an option) is not usable."""


class MissingToolError(LabError):
    """A program that is not part of the package is needed and not installed."""


class RunStoreError(LabError):
    """A run folder cannot be written or read."""


@dataclass(frozen=True)
class Finding:
    """One fault found in a configuration.

    Parameters
    ----------
    where : str
        File, or the option that set the value.
    key : str
        Key path inside it, such as ``nodes.3.ports.rpc``.
    problem : str
        What is wrong, with the value, and what would be right.
    """

    where: str
    key: str
    problem: str

    def __str__(self) -> str:
        return f"{self.where}: {self.key}: {self.problem}" if self.key else f"{self.where}: {self.problem}"


class ConfigError(InputError):
    """A configuration has faults; all of them are listed at once.

    Parameters
    ----------
    findings : sequence of Finding
        Every fault, in the order of the file.
    """

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = list(findings)
        super().__init__("\n".join(str(finding) for finding in self.findings))
