"""Who is told of what fired, and what is silenced: by Alertmanager's rules, which a test compares with the real one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bitcell_sim.judges.alertmanager_config import read_config
from bitcell_sim.judges.rules import Firing
from bitcell_sim.operations.notifying import Alert, Message, inhibited, notifications


def told(config: Path, fired: Sequence[Firing], everything: Sequence[Firing]) -> list[dict[str, Any]]:
    """Receivers of alerts, and whether something silences each while it fires.

    Parameters
    ----------
    config : Path
        An alertmanager.yml.
    fired : sequence of Firing
        Alerts that are asked about.
    everything : sequence of Firing
        All that fired in the run, which may silence them.

    Returns
    -------
    list of dict
        ``receivers``: who gets a message in which it fires; ``inhibited``, when it begins: in the order of `fired`.
    """
    content = read_config(config)
    alerts = [_alert(firing) for firing in everything]
    messages = notifications(content, alerts)
    return [
        {
            "receivers": sorted({message.receiver for message in messages if _is_about(firing, message)}),
            "inhibited": inhibited(content, _alert(firing), alerts, firing.first_s),
        }
        for firing in fired
    ]


def _alert(firing: Firing) -> Alert:
    return Alert(firing.labels, firing.first_s, firing.last_s)


def _is_about(firing: Firing, message: Message) -> bool:
    """Whether a message says that an alert fires, during this interval of it."""
    both = zip(message.alerts, message.firing, strict=True)
    return any(fires and about.labels == firing.labels and about.first_s == firing.first_s for about, fires in both)
