"""Inputs that must be refused, each with what the message has to say; the command line is tested with the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bitcell_sim.config.catalog import models_dir

FILE = "mine.toml"
MATRIX = "matrix.toml"
SCENARIO = 'title = "a test"\ndeployment = "rc3"\n'
DEPLOYMENT = 'extends = "rc3"\ntitle = "a test"\n'
WITH_MATRIX = f'{SCENARIO}latency = "{MATRIX}"\n'


@dataclass(frozen=True)
class Case:
    """One bad input.

    Parameters
    ----------
    id : str
        Name of the case.
    says : tuple of str
        Parts of the message; by house rule file or option, key, and what would be right.
    files : dict of str to str or bytes
        Files by name, written into an empty folder.
    target : str
        What is loaded: a file of the folder, or a name.
    sets : tuple of str
        ``--set`` options.
    latency : str or None
        The ``--latency`` option.
    """

    id: str
    says: tuple[str, ...]
    files: dict[str, str | bytes] = field(default_factory=dict)
    target: str = FILE
    sets: tuple[str, ...] = ()
    latency: str | None = None

    def write(self, folder: Path) -> str:
        """Write the case's files into a folder; gives what to load."""
        for name, content in self.files.items():
            data = content.encode() if isinstance(content, str) else content
            (folder / name).write_bytes(data)
        return str(folder / self.target) if self.target.endswith(".toml") else self.target


def model(path: str, *changes: tuple[str, str]) -> str:
    """Text of a shipped model with some parts replaced; a part that is not there is an error of the table."""
    text = (models_dir() / path).read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text, (path, old)
        text = text.replace(old, new, 1)
    return text


def file_cases() -> Iterator[Case]:
    """Files that are no TOML, are not there, or extend nothing."""
    yield Case("unknown-name", ('"rc4"', "no such deployment or scenario", "did you mean 'rc3'?"), target="rc4")
    yield Case("empty-name", ('""', "no such deployment or scenario", "rc3"), target="")
    yield Case("missing-file", (FILE, "no such file"))
    yield Case("missing-file-near", ("main.toml", "no such file", "mine.toml"), {FILE: SCENARIO}, "main.toml")
    yield Case("folder", ("a folder, where a .toml file is needed",), target="./")
    yield Case("empty", (FILE, "the file is empty", "bitcell-sim new"), {FILE: ""})
    yield Case("comments-only", (FILE, "the file is empty"), {FILE: "# nothing\n\n"})
    yield Case("not-toml", (FILE, "not TOML", "line 2", "deployment rc3"), {FILE: 'title = "x"\ndeployment rc3\n'})
    yield Case(
        "number-with-unit",
        (FILE, "not TOML", "line 3", "duration_s = 10s", "without its unit"),
        {FILE: SCENARIO + "duration_s = 10s\n"},
    )
    yield Case("not-utf8", (FILE, "not UTF-8", "byte 9"), {FILE: b'title = "\xff"\n'})
    yield Case("twice-a-key", (FILE, "not TOML", "line 3"), {FILE: SCENARIO + 'deployment = "rc3"\n'})
    yield Case(
        "long-number", (FILE, "not usable", "too many digits"), {FILE: SCENARIO + f"duration_s = {'9' * 5000}\n"}
    )
    yield Case("nested-too-deep", (FILE, "nested too deep"), {FILE: SCENARIO + "x = " + "[" * 5000 + "]" * 5000})
    yield Case(
        "no-deployment", (FILE, "deployment", "missing", "such as rc3"), {FILE: 'title = "x"\nduration_s = 60\n'}
    )
    yield Case(
        "extends-unknown",
        (FILE, "extends: no 'rc33' in models/deployments", "did you mean 'rc3'"),
        {FILE: 'extends = "rc33"\npeer_limit = 5\n'},
    )
    yield Case("extends-list", (FILE, "extends: the name of one model"), {FILE: SCENARIO + 'extends = ["rc3"]\n'})
    yield Case(
        "extends-itself", ("extends: extends in a circle", f"{FILE} -> "), {FILE: SCENARIO + f'extends = "{FILE}"\n'}
    )
    yield Case(
        "extends-circle",
        ("other.toml: extends: extends in a circle", FILE),
        {FILE: 'extends = "other.toml"\npeer_limit = 5\n', "other.toml": f'extends = "{FILE}"\ntitle = "x"\n'},
    )
    yield Case(
        "error-in-parent",
        ("other.toml: hardware.cores: -4", "at least 1"),
        {FILE: 'extends = "other.toml"\npeer_limit = 5\n', "other.toml": DEPLOYMENT + "[hardware]\ncores = -4\n"},
    )


def key_cases() -> Iterator[Case]:
    """Single keys: unknown, missing, of the wrong type, without a unit, out of range."""
    yield Case(
        "unknown-key",
        (FILE, "durations_s: unknown key", "did you mean duration_s (seconds)?"),
        {FILE: SCENARIO + "durations_s = 60\n"},
    )
    yield Case(
        "unknown-far", (FILE, "colour: unknown key", "known here:", "duration_s"), {FILE: SCENARIO + 'colour = "red"\n'}
    )
    yield Case(
        "unknown-nested",
        (FILE, "hardware.core: unknown key", "did you mean cores?"),
        {FILE: DEPLOYMENT + "[hardware]\ncore = 4\n"},
    )
    yield Case(
        "no-unit",
        (FILE, "load_balancer.connect_timeout: no unit", "did you mean connect_timeout_s (seconds)?"),
        {FILE: DEPLOYMENT + "[load_balancer]\nconnect_timeout = 5\n"},
    )
    yield Case(
        "no-unit-rate",
        ("work.toml: rate: no unit", "rate_tps (transactions per second)"),
        {FILE: SCENARIO + 'workload = "work.toml"\n', "work.toml": model("workloads/rc3.toml", ("rate_tps", "rate"))},
    )
    yield Case(
        "other-unit",
        (FILE, "recovery.restart_median_ms: unknown key: the unit here is seconds", "restart_median_s"),
        {FILE: DEPLOYMENT + "[recovery]\nrestart_median_ms = 5000\n"},
    )
    yield Case(
        "unit-in-value",
        (FILE, 'load_balancer.check_interval_s: "5s" is text', "a number of seconds is needed", "check_interval_s = 5"),
        {FILE: DEPLOYMENT + '[load_balancer]\ncheck_interval_s = "5s"\n'},
    )
    yield Case(
        "unit-converted",
        (FILE, 'load_balancer.check_interval_s: "500ms" is text', "check_interval_s = 0.5"),
        {FILE: DEPLOYMENT + '[load_balancer]\ncheck_interval_s = "500ms"\n'},
    )
    yield Case(
        "number-quoted", (FILE, 'duration_s: "60" is text', "duration_s = 60"), {FILE: SCENARIO + 'duration_s = "60"\n'}
    )
    yield Case(
        "not-whole", (FILE, "warmup_blocks: 2.5 is not a whole number"), {FILE: SCENARIO + "warmup_blocks = 2.5\n"}
    )
    yield Case(
        "boolean-number",
        (FILE, "duration_s: true is not a number of seconds"),
        {FILE: SCENARIO + "duration_s = true\n"},
    )
    yield Case("nan", (FILE, "duration_s: nan is not a finite number"), {FILE: SCENARIO + "duration_s = nan\n"})
    yield Case(
        "infinite",
        (FILE, "hardware.memory_gb: inf is not a finite number"),
        {FILE: DEPLOYMENT + "[hardware]\nmemory_gb = inf\n"},
    )
    yield Case(
        "zero-duration",
        (FILE, "duration_s: 0 is out of range: must be above 0", "seconds"),
        {FILE: SCENARIO + "duration_s = 0\n"},
    )
    yield Case("negative", (FILE, "hardware.cores: -2", "at least 1"), {FILE: DEPLOYMENT + "[hardware]\ncores = -2\n"})
    yield Case(
        "huge-count", (FILE, "hardware.cores", "out of range"), {FILE: DEPLOYMENT + f"[hardware]\ncores = {10**40}\n"}
    )
    yield Case(
        "huge-number", (FILE, "duration_s", "more than 150 digits"), {FILE: SCENARIO + f"duration_s = 1{'0' * 400}\n"}
    )
    yield Case("table-expected", (FILE, "hardware: 4 is not a table"), {FILE: DEPLOYMENT + "hardware = 4\n"})
    yield Case("list-expected", (FILE, 'fault: "crash" is not a list'), {FILE: SCENARIO + 'fault = "crash"\n'})
    yield Case(
        "text-expected", (FILE, "title: 5 is not text", 'title = "5"'), {FILE: 'title = 5\ndeployment = "rc3"\n'}
    )
    yield Case(
        "date-unquoted",
        ("matrix.toml: date: 2025-05-29 is not text", 'date = "2025-05-29"'),
        {FILE: WITH_MATRIX, MATRIX: model("latency/docker.toml", ('date = "2024-12-09"', "date = 2025-05-29"))},
    )
    yield Case(
        "bad-name", (FILE, 'name: "My Run" is not a name', "small letters"), {FILE: SCENARIO + 'name = "My Run"\n'}
    )
    yield Case("empty-text", (FILE, "title: is empty"), {FILE: 'title = ""\ndeployment = "rc3"\n'})
    yield Case(
        "bad-choice",
        (FILE, 'load_balancer.health_port: "metric" is not known', "did you mean 'metrics'?"),
        {FILE: DEPLOYMENT + '[load_balancer]\nhealth_port = "metric"\n'},
    )
    yield Case("missing-key", (FILE, "missing", "title", "One line for people"), {FILE: 'deployment = "rc3"\n'})
    yield Case(
        "missing-in-table",
        ("work.toml: gas_price.sigma: missing", "Sigma of the logarithm"),
        {FILE: SCENARIO + 'workload = "work.toml"\n', "work.toml": model("workloads/rc3.toml", ("sigma = 1.0", ""))},
    )
    yield Case(
        "missing-with-unit",
        (FILE, "fault.0.start_s: missing, a number of seconds"),
        {FILE: SCENARIO + '[[fault]]\nkind = "process-crash"\nnode = "us-east-1"\n'},
    )
    yield Case(
        "model-unknown",
        (FILE, "latency: no 'aws' in models/latency", "aws-2025"),
        {FILE: SCENARIO + 'latency = "aws"\n'},
    )
    yield Case(
        "model-number",
        (FILE, "protocol: 3 is neither the name of one of models/protocols"),
        {FILE: SCENARIO + "protocol = 3\n"},
    )
    yield Case("model-file-missing", ("nowhere.toml", "no such file"), {FILE: SCENARIO + 'latency = "nowhere.toml"\n'})
    yield Case(
        "port-range",
        (FILE, "service.0.ports.0: 70000", "at most 65535"),
        {
            FILE: DEPLOYMENT
            + '[[service]]\nname = "x"\nregion = "us-east"\nhost = "h"\nports = [70000]\nurl = "http://h:70000"\n'
        },
    )


def deployment_cases() -> Iterator[Case]:
    """Deployments whose parts do not fit each other."""

    def rc3(*changes: tuple[str, str]) -> dict[str, str | bytes]:
        return {FILE: model("deployments/rc3.toml", *changes)}

    yield Case(
        "one-docker-host",
        (FILE, "service.2.ports.0: port 9093 on docker", "node us-west-2", "node.3.metrics_port"),
        {FILE: on_one_host()},
    )
    yield Case(
        "port-twice-in-node",
        (FILE, "node.0.rpc_port: port 9000", "node.0.p2p_port"),
        rc3(("rpc_port = 8545", "rpc_port = 9000")),
    )
    yield Case(
        "node-twice", (FILE, "node.1.id: 'us-east-1' again", "node.0.id"), rc3(('id = "us-east-2"', 'id = "us-east-1"'))
    )
    yield Case(
        "address-twice",
        (FILE, "node.1.address: '172.20.0.10' again", "node.0.address"),
        rc3(("172.20.0.11", "172.20.0.10")),
    )
    yield Case("region-twice", (FILE, "region.1.name: 'us-east' again"), rc3(('name = "us-west"', 'name = "us-east"')))
    yield Case(
        "node-region",
        (FILE, "node.0.region: no region 'us-eest'", "did you mean 'us-east' or 'us-west'?"),
        rc3(('id = "us-east-1"\nregion = "us-east"', 'id = "us-east-1"\nregion = "us-eest"')),
    )
    yield Case(
        "service-region",
        (FILE, "service.1.region: no region 'eu-west'", "did you mean 'us-west'"),
        rc3(('name = "grafana"\nregion = "us-east"', 'name = "grafana"\nregion = "eu-west"')),
    )
    yield Case(
        "node-named-as-region",
        (FILE, "node.6.id: 'ap-southeast' is a region's name too"),
        rc3(('id = "ap-southeast-1"', 'id = "ap-southeast"')),
    )
    yield Case(
        "bootstrap-unknown",
        (FILE, "node.6.bootstrap.0: no node 'us-west-9'", "did you mean 'us-west-"),
        rc3(('metrics_port = 9096\nbootstrap = ["us-west-1"', 'metrics_port = 9096\nbootstrap = ["us-west-9"')),
    )
    yield Case(
        "bootstrap-self",
        (FILE, "node.5.bootstrap.0: 'eu-central-2' is the node itself"),
        rc3(('bootstrap = ["eu-central-1", "us-east-1"]', 'bootstrap = ["eu-central-2", "us-east-1"]')),
    )
    yield Case(
        "unreachable",
        (FILE, "node.6.bootstrap: 'ap-southeast-1' is unreachable", "eu-central-1"),
        rc3(('metrics_port = 9096\nbootstrap = ["us-west-1", "eu-central-1"]', "metrics_port = 9096\nbootstrap = []")),
    )
    yield Case(
        "service-url",
        (FILE, "service.0.url: port 9990", "9999"),
        rc3(("http://localhost:9999", "http://localhost:9990")),
    )
    yield Case(
        "service-url-form",
        (FILE, "service.1.url: 'localhost' is not an address", "http://host:port"),
        rc3(("http://localhost:3000", "localhost")),
    )
    yield Case(
        "placement",
        (FILE, "load_balancer.placement: no region 'us-est'", "did you mean 'us-east' or 'us-west'?"),
        {FILE: DEPLOYMENT + '[load_balancer]\nplacement = "us-est"\n'},
    )
    yield Case(
        "health-path",
        (FILE, "load_balancer.health_path: 'health'", "/health"),
        {FILE: DEPLOYMENT + '[load_balancer]\nhealth_path = "health"\n'},
    )
    yield Case(
        "healthy-peers",
        (FILE, "recovery.healthy_peers: 7 peers can never be had", "6 other nodes"),
        {FILE: DEPLOYMENT + "[recovery]\nhealthy_peers = 7\n"},
    )
    yield Case(
        "cloud-name",
        (FILE, "region.1.cloud.aws: 'us-west-3' is not in the latency source", "did you mean 'us-west-"),
        rc3(('aws = "us-west-2"', 'aws = "us-west-3"')),
    )
    yield Case(
        "cloud-missing", (FILE, "region.1: 'us-west' is not in the latency source"), rc3(('aws = "us-west-2", ', ""))
    )
    yield Case(
        "cloud-shared",
        (FILE, "'us-east' and 'us-west' stand in one region of aws, 'us-east-1'"),
        rc3(('aws = "us-west-2"', 'aws = "us-east-1"')),
    )
    yield Case("no-nodes", (FILE, "node: has 0 items", "1 are needed"), {FILE: DEPLOYMENT + "node = []\n"})


def on_one_host() -> str:
    """The deployment with every node and service published on one Docker host, as its compose file does."""
    text = model("deployments/rc3.toml").replace('address = "', 'host = "docker"\naddress = "')
    return text.replace('host = "ops-us-east"', 'host = "docker"')


def latency_cases() -> Iterator[Case]:
    """Matrices that are incomplete, impossible, or not round trips."""

    def aws(*changes: tuple[str, str]) -> dict[str, str | bytes]:
        return {FILE: WITH_MATRIX, MATRIX: model("latency/aws-2025.toml", *changes)}

    def azure(*changes: tuple[str, str]) -> dict[str, str | bytes]:
        return {FILE: WITH_MATRIX, MATRIX: model("latency/azure-2026.toml", *changes)}

    east_west = 'source = "us-east-1"\ntarget = "us-west-2"\nrtt_ms = 64.269'
    yield Case(
        "faster-than-light",
        (MATRIX, "link.1.rtt_ms: us-east-1 -> us-west-2 in 30.0 ms", "36.70 ms"),
        aws((east_west, east_west.replace("64.269", "30.0"))),
    )
    yield Case(
        "base-faster-than-light",
        (MATRIX, "link.1: us-east-1 -> us-west-2: 37.0 ms less its spread", "36.70 ms"),
        aws((east_west, east_west.replace("64.269", "37.0"))),
    )
    yield Case(
        "one-way",
        (MATRIX, 'measures: "one-way" is refused', "double the values"),
        aws(('measures = "rtt"', 'measures = "one-way"')),
    )
    yield Case(
        "looks-one-way",
        (MATRIX, "measures: every long link is below its fibre floor", "double the values"),
        {FILE: WITH_MATRIX, MATRIX: halved(model("latency/aws-2025.toml"))},
    )
    yield Case(
        "no-way-back",
        (MATRIX, "link.", "no way back for us-west-2 -> us-east-1", "add a [[link]] us-east-1 -> us-west-2"),
        aws((f"[[link]]\n{east_west}\nslow_scale_ms = 1.52\n", "")),
    )
    yield Case(
        "pair-missing",
        (MATRIX, "link: no round trips between 'us-east' and 'us-west', which us-east and us-west need"),
        {
            FILE: WITH_MATRIX,
            MATRIX: model(
                "latency/docker.toml",
                ('[[link]]\nsource = "us-east"\ntarget = "us-west"\nrtt_ms = 1.0\nslow_scale_ms = 0.0\n', ""),
                ('[[link]]\nsource = "us-west"\ntarget = "us-east"\nrtt_ms = 1.0\nslow_scale_ms = 0.0\n', ""),
            ),
        },
    )
    yield Case(
        "link-twice",
        (MATRIX, "link.1: us-east-1 -> us-west-1 again", "link.0"),
        aws((east_west, east_west.replace("us-west-2", "us-west-1"))),
    )
    yield Case(
        "link-to-itself",
        (MATRIX, "link.1: from 'us-east-1' to itself", "[intra_region]"),
        aws((east_west, east_west.replace("us-west-2", "us-east-1"))),
    )
    yield Case(
        "p95-below-p50",
        (MATRIX, "link.1.rtt_p95_ms: 60.0 ms is below rtt_ms, 69.0 ms"),
        azure(("rtt_ms = 69.0\nrtt_p95_ms = 74.0", "rtt_ms = 69.0\nrtt_p95_ms = 60.0")),
    )
    yield Case(
        "two-spreads",
        (MATRIX, "link.1: both rtt_p95_ms and slow_scale_ms: give one"),
        azure(("rtt_ms = 69.0\nrtt_p95_ms = 74.0", "rtt_ms = 69.0\nslow_scale_ms = 2\nrtt_p95_ms = 74.0")),
    )
    yield Case(
        "no-spread",
        (MATRIX, "link.1: no spread", "slow_scale_ms (0 for none)"),
        azure(("rtt_ms = 69.0\nrtt_p95_ms = 74.0", "rtt_ms = 69.0")),
    )
    yield Case(
        "spread-too-wide",
        (MATRIX, "spread too wide"),
        {FILE: WITH_MATRIX, MATRIX: model("latency/docker.toml", ("slow_scale_ms = 0.0", "slow_scale_ms = 2.0"))},
    )
    yield Case(
        "no-site",
        (MATRIX, "site: no place for 'us-east-1'", "fibre"),
        aws(('name = "us-east-1"\nplace', 'name = "us-east-9"\nplace')),
    )
    yield Case(
        "site-twice",
        (MATRIX, "site.1.name: 'us-east-1' again"),
        aws(('name = "us-west-1"\nplace', 'name = "us-east-1"\nplace')),
    )
    yield Case(
        "latitude",
        (MATRIX, "site.0.latitude_deg: 138.9694", "at most 90"),
        aws(("latitude_deg = 38.9694", "latitude_deg = 138.9694")),
    )
    yield Case(
        "zero-rtt", (MATRIX, "link.0.rtt_ms: 0.0", "above 0 (milliseconds)"), aws(("rtt_ms = 63.932", "rtt_ms = 0.0"))
    )
    yield Case(
        "loss-percent",
        (MATRIX, "jitter.loss_probability: 2.0", "at most 1", "probability"),
        aws(("loss_probability = 1e-5", "loss_probability = 2.0")),
    )
    yield Case(
        "spike-cut",
        (MATRIX, "jitter.spike_max_ms: 1.0 ms is below spike_scale_ms"),
        aws(("spike_max_ms = 400.0", "spike_max_ms = 1.0")),
    )


def halved(text: str) -> str:
    """A matrix with every round trip halved, as if somebody had written one-way delays."""
    lines = []
    for line in text.splitlines():
        key, equals, value = line.partition(" = ")
        lines.append(f"{key} = {float(value) / 2}" if equals and key == "rtt_ms" else line)
    return "\n".join(lines)


def fault_cases() -> Iterator[Case]:
    """Faults that hit nothing, overlap, or say too much or too little."""

    def one(text: str) -> dict[str, str | bytes]:
        return {FILE: f"{SCENARIO}duration_s = 600\n[[fault]]\n{text}\nstart_s = 60\n"}

    yield Case(
        "fault-kind",
        (FILE, 'fault.0.kind: unknown kind "node-crash"', "did you mean 'process-crash'?"),
        one('kind = "node-crash"\nnode = "us-east-1"'),
    )
    yield Case(
        "misspelt-deployment",
        (FILE, "deploymnt: unknown key; did you mean deployment?"),
        {FILE: 'title = "x"\ndeploymnt = "rc3"\n'},
    )
    yield Case("fault-no-kind", (FILE, "fault.0.kind: missing"), one('node = "us-east-1"'))
    yield Case(
        "fault-node",
        (FILE, "fault.0.node: no node 'us-east-3'", "did you mean 'us-east-"),
        one('kind = "process-crash"\nnode = "us-east-3"'),
    )
    yield Case(
        "fault-region",
        (FILE, "fault.0.region: no region 'eu-west'", "did you mean 'us-west'?"),
        one('kind = "region-loss"\nregion = "eu-west"\nduration_s = 9'),
    )
    yield Case(
        "fault-target",
        (FILE, "fault.0.target: no region or node 'us-south'", "did you mean"),
        one('kind = "cpu"\ntarget = "us-south"\nfactor = 0.5'),
    )
    yield Case(
        "fault-key-of-other",
        (FILE, "fault.0.probability: unknown key"),
        one('kind = "process-crash"\nnode = "us-east-1"\nprobability = 0.5'),
    )
    yield Case(
        "fault-after-end",
        (FILE, "fault.0.start_s: 600 s is not before the run's end, 600 s"),
        {FILE: f'{SCENARIO}duration_s = 600\n[[fault]]\nkind = "process-crash"\nnode = "us-east-1"\nstart_s = 600\n'},
    )
    yield Case(
        "region-loss-for-ever",
        (FILE, "fault.0.duration_s: missing, a number of seconds"),
        one('kind = "region-loss"\nregion = "us-east"'),
    )
    yield Case(
        "link-both",
        (FILE, "fault.0: both between and target; give one of them"),
        one('kind = "latency"\nbetween = ["us-east", "us-west"]\ntarget = "us-east"\nadded_ms = 5'),
    )
    yield Case("link-neither", (FILE, "fault.0: neither between nor target"), one('kind = "latency"\nadded_ms = 5'))
    yield Case(
        "link-wrong-parameter",
        (FILE, "fault.0.probability: a latency fault has none", "did you mean added_ms?"),
        one('kind = "latency"\ntarget = "us-east"\nprobability = 0.5'),
    )
    yield Case(
        "link-no-parameter",
        (FILE, "fault.0.probability: a loss fault needs one above 0"),
        one('kind = "loss"\ntarget = "us-east"'),
    )
    yield Case(
        "between-unknown",
        (FILE, "fault.0.between.1: no region or node 'us-wst'", "did you mean 'us-west'?"),
        one('kind = "loss"\nbetween = ["us-east", "us-wst"]\nprobability = 0.5'),
    )
    yield Case(
        "between-itself",
        (FILE, "fault.0.between: 'us-east' twice"),
        one('kind = "loss"\nbetween = ["us-east", "us-east"]\nprobability = 0.5'),
    )
    yield Case(
        "between-three",
        (FILE, "fault.0.between: has 3 items"),
        one('kind = "loss"\nbetween = ["us-east", "us-west", "eu-central"]\nprobability = 0.5'),
    )
    yield Case(
        "groups-overlap",
        (FILE, "fault.0.groups.1.0: 'us-east-1' puts node 'us-east-1' into two places", "fault.0.groups.0.0"),
        one('kind = "partition"\ngroups = [["us-east"], ["us-east-1", "us-west"]]'),
    )
    yield Case(
        "node-and-region",
        (FILE, "fault.0: both node and region; give one of them"),
        one('kind = "process-crash"\nnode = "us-east-1"\nregion = "us-east"'),
    )
    yield Case(
        "node-neither",
        (FILE, "fault.0: neither node nor region nor share_ratio; give one of them"),
        one('kind = "host-loss"'),
    )
    yield Case(
        "share-of-none",
        (FILE, "fault.0.share_ratio: 0.05 of 7 nodes is none of them"),
        one('kind = "bandwidth"\nshare_ratio = 0.05\nuplink_mbit_per_s = 5'),
    )
    yield Case(
        "share-above-all",
        (FILE, "fault.0.share_ratio: 1.5", "at most 1"),
        one('kind = "partition"\nshare_ratio = 1.5'),
    )
    yield Case(
        "ramp-too-long",
        (FILE, "fault.0.ramp_s: 40 s up and as long down do not fit into duration_s, 60 s"),
        one('kind = "load-surge"\nfactor = 2\nramp_s = 40\nduration_s = 60'),
    )
    yield Case(
        "ramp-of-one-node",
        (FILE, "fault.0.ramp_s: one node goes at once"),
        one('kind = "process-crash"\nnode = "us-east-1"\nramp_s = 10'),
    )
    yield Case(
        "ramp-of-a-cut",
        (FILE, "fault.0.ramp_s: unknown key"),
        one('kind = "partition"\nshare_ratio = 0.5\nramp_s = 10'),
    )
    yield Case(
        "clock-right",
        (FILE, "fault.0.offset_ms: 0 ms changes nothing"),
        one('kind = "clock-skew"\ntarget = "us-east"\noffset_ms = 0'),
    )
    yield Case("groups-one", (FILE, "fault.0.groups: has 1 group"), one('kind = "partition"\ngroups = [["us-east"]]'))
    yield Case(
        "groups-empty", (FILE, "fault.0.groups.1: is empty"), one('kind = "partition"\ngroups = [["us-east"], []]')
    )
    yield Case(
        "groups-unknown",
        (FILE, "fault.0.groups.0.0: no region or node 'europe'"),
        one('kind = "partition"\ngroups = [["europe"], ["us-east"]]'),
    )
    yield Case(
        "cpu-factor", (FILE, "fault.0.factor: 2", "at most 1"), one('kind = "cpu"\ntarget = "us-east"\nfactor = 2')
    )


def override_cases() -> Iterator[Case]:
    """``--set``, ``--latency`` and ``[override]``."""

    def sets(name: str, option: str, *says: str) -> Case:
        return Case(f"set-{name}", says, target="rc3", sets=(option,))

    yield sets("no-equals", "workload.rate_tps", "--set workload.rate_tps", "write key.path=value")
    yield sets("no-value", "workload.rate_tps=", "workload.rate_tps: no value")
    yield sets("no-key", "=5", "--set =5", "write key.path=value")
    yield sets("bad-path", "workload..rate_tps=5", "write key.path=value")
    yield sets("broken-value", "fault=[1,", "--set fault=[1,: fault: not a TOML value")
    yield sets("unknown-head", "protocl.battle.engine=sparse", "--set: protocl: unknown key", "did you mean protocol?")
    yield sets(
        "unknown-middle", "protocol.batle.engine=sparse", "--set: protocol.batle: unknown key", "did you mean battle?"
    )
    yield sets("unknown-leaf", "workload.rate=5", "--set: workload.rate: no unit", "rate_tps (transactions per second)")
    yield sets(
        "through-value", "protocol.battle.engine.core_s=5", "--set: protocol.battle.engine.core_s", "has no keys inside"
    )
    yield sets("index", "deployment.node.7.zone=b", "--set: deployment.node.7: no item 7: there are 7, from 0")
    yield sets(
        "item-name",
        "deployment.node.us-east-9.zone=b",
        "--set: deployment.node.us-east-9: no item",
        "did you mean 'us-east-",
    )
    yield sets(
        "engine",
        "protocol.battle.engine=spare",
        "--set: protocol.battle.engine: no engine 'spare'",
        "did you mean 'sparse'?",
    )
    yield sets(
        "type",
        "workload.rate_tps=fast",
        '--set: workload.rate_tps: "fast" is text',
        "a number of transactions per second",
    )
    yield sets("unit", "duration_s=10min", '--set: duration_s: "10min" is text', "duration_s = 600")
    yield sets("model", "latency=azure", "--set: latency: no 'azure' in models/latency", "azure-2026")
    yield sets(
        "deployment", "deployment=rc2", "--set: deployment: no 'rc2' in models/deployments", "did you mean 'rc3'?"
    )
    yield sets(
        "prover", "protocol.proof.prover=arc", "--set: protocol.proof.prover: no prover 'arc'", "did you mean 'ark'?"
    )
    yield sets("circuit", "protocol.proof.circuit=state", "--set: protocol.proof.circuit: 'state' has no grid")
    yield sets(
        "grid",
        "protocol.proof.grid=7",
        "--set: protocol.proof.grid: 7 does not fit the circuit",
        "a multiple of 2, at least 8",
    )
    yield sets(
        "gas",
        "protocol.block.gas_limit=20000",
        "--set: protocol.block.gas_limit: 20000 is less than one transaction's 21000",
    )
    yield sets(
        "weights",
        "workload.region_weight.us-est=1",
        "--set: workload.region_weight.us-est: no region 'us-est'",
        "did you mean 'us-east' or 'us-west'?",
    )
    yield sets("weights-zero", "workload.region_weight.us-east=0", "--set: workload.region_weight: all weights are 0")
    yield sets(
        "serial-range",
        "proofs.scaling.serial_ratio=0.5",
        "--set: proofs.scaling.serial_ratio: 0.5 is outside its own range",
    )
    yield sets("fault-of-none", "fault.0.start_s=5", "--set: fault.0: no item 0: the list is empty")
    yield sets("fault-list", 'fault=[{kind="process-crash",node="us-east-1"}]', "--set: fault.0.start_s: missing")
    yield Case(
        "latency-option",
        ("--latency: latency: no 'aws-2024'", "did you mean 'aws-2025'?"),
        target="rc3",
        latency="aws-2024",
    )
    yield Case(
        "latency-twice",
        ("--set: latency", "--latency says 'docker'"),
        target="rc3",
        latency="docker",
        sets=("latency=gcp-2022",),
    )
    yield Case(
        "override-key",
        (FILE, "override.protocol.battle.engin: unknown key", "did you mean engine?"),
        {FILE: SCENARIO + '[override.protocol.battle]\nengin = "sparse"\n'},
    )
    yield Case(
        "override-head",
        (FILE, "override.protocols: unknown key", "did you mean protocol?"),
        {FILE: SCENARIO + '[override.protocols.battle]\nengine = "sparse"\n'},
    )
    yield Case("override-value", (FILE, "override: 5 is not a table"), {FILE: SCENARIO + "override = 5\n"})


def many_at_once() -> Case:
    """One file with several faults of different sorts: all of them are named."""
    text = (
        f'{SCENARIO}duration_s = "10min"\nwarmup = 3\n'
        '[[fault]]\nkind = "process-crash"\nnode = "us-est-1"\nstart_s = -1\n'
        '[[fault]]\nkind = "loss"\nbetween = ["us-east", "us-west"]\nstart_s = 5\n'
        "[override.deployment.hardware]\ncores = 2.5\n[override.workload]\nrate_tps = inf\n"
    )
    says = (
        'duration_s: "10min" is text',
        "warmup: unknown key; did you mean warmup_blocks?",
        "fault.0.node: no node 'us-est-1'",
        "fault.0.start_s: -1",
        "fault.1.probability: a loss fault needs one above 0",
        "override.deployment.hardware.cores: 2.5 is not a whole number",
        "override.workload.rate_tps: inf is not a finite number",
    )
    return Case("many-at-once", says, {FILE: text})


CASES: tuple[Case, ...] = (
    *file_cases(),
    *key_cases(),
    *deployment_cases(),
    *latency_cases(),
    *fault_cases(),
    *override_cases(),
    many_at_once(),
)
