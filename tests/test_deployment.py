"""deploy/: the options that its files name exist, and the files contain what they promise."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from docs_pages import ROOT

from deepseek_ocr_rag.cli.arguments import argument_parser
from deepseek_ocr_rag.cli.servers.service_options import PORT

DEPLOY = ROOT / "deploy"
CONTAINERFILE = DEPLOY / "Containerfile"
UNIT = DEPLOY / "systemd" / "dsocr.service"
COMPOSE = (DEPLOY / "compose.yaml", DEPLOY / "compose.gpu.yaml")
FILES = sorted(path for path in DEPLOY.rglob("*") if path.is_file())


def compose(path: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load(path.read_text("utf-8"))["services"]
    return found


def instructions() -> list[tuple[str, str]]:
    """The Containerfile's instructions: name and the rest, continued lines joined."""
    lines = [line for line in CONTAINERFILE.read_text("utf-8").splitlines() if line[:1] != "#"]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [
        (name, rest.strip())
        for name, _, rest in (line.partition(" ") for line in joined.splitlines() if line.strip())
    ]


def stages() -> dict[str, list[tuple[str, str]]]:
    """Of each stage its instructions and those of the stages below it."""
    found: dict[str, list[tuple[str, str]]] = {}
    current: list[tuple[str, str]] = []
    for name, rest in instructions():
        if name == "FROM":
            below, _, stage = rest.partition(" AS ")
            current = found[stage] = list(found.get(below, []))
        current.append((name, rest))
    return found


def exec_form(text: str) -> list[str]:
    words = yaml.safe_load(text.removeprefix("CMD "))
    assert isinstance(words, list)
    return [str(word) for word in words]


def commands() -> Iterator[tuple[str, list[str]]]:
    """Every call of ours that the files hold, without the name of the program."""
    image = dict(stages()["cpu"])
    assert exec_form(image["ENTRYPOINT"]) == ["dsocr"]
    yield "Containerfile", exec_form(image["CMD"])
    yield "health check", exec_form(image["HEALTHCHECK"].partition("CMD ")[2])[1:]
    (started,) = re.findall(r"^ExecStart=(.+)$", UNIT.read_text("utf-8"), re.M)
    program, *words = shlex.split(started.replace("%S", "/var/lib").replace("$SERVE_OPTIONS", ""))
    assert program == "/opt/dsocr/bin/dsocr"
    yield UNIT.name, words
    for line in re.findall(r"^#?SERVE_OPTIONS=(.+)$", _text("systemd/dsocr.env"), re.M):
        yield "dsocr.env", [*words, *shlex.split(line)]
    for path in COMPOSE:
        for name, service in compose(path).items():
            if service.get("image", "").startswith("dsocr:") and "entrypoint" not in service:
                plain = [re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", w) for w in service["command"]]
                yield f"{name} in {path.name}", plain


def _text(name: str) -> str:
    return (DEPLOY / name).read_text("utf-8")


# --- what the files name -----------------------------------------------------------------


@pytest.mark.parametrize(("where", "words"), [*commands()], ids=lambda value: str(value)[:40])
def test_the_command_takes_what_the_files_pass_to_it(where: str, words: list[str]) -> None:
    options = argument_parser().parse_args(words)
    if options.command == "serve":
        assert options.port == PORT
        assert options.data.startswith(("/data/", "/var/lib/dsocr/"))
    else:
        assert options.command in ("doctor", "ollama-model")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_variable_of_ours_is_one_that_we_read(path: Path) -> None:
    settings = (ROOT / "docs" / "reference" / "settings.md").read_text("utf-8")
    for name in set(re.findall(r"\bDSOCR_[A-Z_]+", path.read_text("utf-8"))):
        assert f"`{name}`" in settings


def test_there_is_one_port() -> None:
    image = dict(stages()["cpu"])
    assert image["EXPOSE"] == str(PORT)
    assert f"127.0.0.1:{PORT}" in image["HEALTHCHECK"]
    assert compose(COMPOSE[0])["ollama"]["ports"] == [f"127.0.0.1:{PORT}:{PORT}"]
    loader = compose(COMPOSE[0])["webui"]["environment"]["EXTERNAL_DOCUMENT_LOADER_URL"]
    aliases = compose(COMPOSE[0])["ollama"]["networks"]["default"]["aliases"]
    assert loader == f"http://{aliases[0]}:{PORT}"
    for path in COMPOSE:
        assert f"--allow-host={aliases[0]}" in compose(path)["service"]["command"]


def test_what_the_image_copies_exists_and_is_sent_to_the_build() -> None:
    sent = set(_text("Containerfile.dockerignore").splitlines())
    copied = [
        name
        for instruction, rest in instructions()
        if instruction == "COPY" and not rest.startswith("--from=")
        for name in rest.split()[:-1]
    ]
    assert "src" in copied
    for name in copied:
        assert (ROOT / name).exists()
        assert f"!{name}" in sent


def test_the_extras_that_are_installed_exist() -> None:
    projects = (ROOT / "pyproject.toml").read_text("utf-8")
    named = re.findall(r'"\.\[([\w,]+)\]"', CONTAINERFILE.read_text("utf-8"))
    assert set(named) == {"serve", "serve,local"}
    for extra in {part for each in named for part in each.split(",")}:
        assert re.search(rf"^{extra} = \[", projects, re.M)


def test_the_parts_of_the_compose_files_fit_together() -> None:
    base, overlay = map(compose, COMPOSE)
    together = {**base, **overlay}
    volumes = {
        name for path in COMPOSE for name in yaml.safe_load(path.read_text("utf-8"))["volumes"]
    }
    for service in [*base.values(), *overlay.values()]:
        for other in service.get("depends_on", {}):
            assert other in together
        for mount in service.get("volumes", []):
            assert mount.partition(":")[0] in volumes
        if "build" in service:
            target = service["build"]["target"]
            assert target in stages()
            assert service["image"] == f"dsocr:{target}"
            assert (DEPLOY / service["build"]["context"] / service["build"]["dockerfile"]).exists()
    health = base["service"]["depends_on"]["layout"]["condition"]
    assert health == "service_completed_successfully"


# --- what they promise -------------------------------------------------------------------


@pytest.mark.parametrize("stage", ["cpu", "cuda"])
def test_the_image_runs_as_an_unprivileged_user(stage: str) -> None:
    users = [rest for name, rest in stages()[stage] if name == "USER"]
    assert users[-1] == "10001:10001"


def test_the_image_needs_no_program_of_others_to_check_its_health() -> None:
    assert exec_form(dict(stages()["cpu"])["HEALTHCHECK"].partition("CMD ")[2])[:2] == [
        "dsocr",
        "doctor",
    ]
    assert not re.search(r"\b(curl|wget)\b", CONTAINERFILE.read_text("utf-8"))


def test_no_weights_are_in_the_image() -> None:
    for name, rest in instructions():
        assert not (name == "RUN" and re.search(r"\bhf\b|huggingface|ollama pull", rest))
        assert name != "ADD"


@pytest.mark.parametrize(
    ("path", "name"), [(COMPOSE[0], "layout"), (COMPOSE[0], "service"), (COMPOSE[1], "weights")]
)
def test_our_containers_are_read_only_and_without_rights(path: Path, name: str) -> None:
    service = compose(path)[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert any(mount.startswith("/tmp:") for mount in service["tmpfs"])
    assert not service.get("privileged")


def test_ports_are_published_on_this_machine_alone() -> None:
    for path in COMPOSE:
        for service in compose(path).values():
            for port in service.get("ports", []):
                assert port.startswith("127.0.0.1:")


def test_the_service_of_the_compose_file_does_not_start_without_keys() -> None:
    keys = compose(COMPOSE[0])["service"]["environment"]["DSOCR_API_KEYS"]
    assert keys.startswith("${DSOCR_API_KEYS:?")


@pytest.mark.parametrize("path", [CONTAINERFILE, COMPOSE[0], UNIT], ids=lambda path: path.name)
def test_a_file_says_what_of_it_was_not_tried(path: Path) -> None:
    head = path.read_text("utf-8")[:1200]
    assert re.search(r"[Nn]ot (built|started)|was not started", head)


def test_the_service_has_time_to_finish_its_pages() -> None:
    drain = argument_parser().parse_args(["serve"]).drain
    (stop,) = re.findall(r"^TimeoutStopSec=(\d+)$", UNIT.read_text("utf-8"), re.M)
    grace = compose(COMPOSE[0])["service"]["stop_grace_period"]
    assert min(float(stop), float(grace.rstrip("s"))) > drain + 10


# --- the unit, as systemd sees it --------------------------------------------------------


def analyzed(*words: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed")
    return subprocess.run([program, *words], capture_output=True, text=True, check=False)


def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name
    unit.write_text(_text("systemd/dsocr.service").replace("/opt/dsocr/bin/dsocr", sys.executable))
    drop_in = tmp_path / f"{UNIT.name}.d" / "gpu.conf"
    drop_in.parent.mkdir()
    drop_in.write_text(_text("systemd/gpu.conf"))
    found = analyzed("verify", str(unit))
    assert (found.returncode, found.stdout + found.stderr) == (0, "")


def test_systemd_calls_the_unit_well_protected() -> None:
    found = analyzed("security", "--offline=yes", "--threshold=15", str(UNIT))
    assert found.returncode == 0, found.stdout[-300:]
    exposure = re.search(r"exposure level for \S+: ([\d.]+)", found.stdout)
    assert exposure is not None
    assert float(exposure[1]) <= 1.5
