"""The demo for Hugging Face Spaces: its pinned versions, its texts, and the demo itself.

Gradio does not accept Pillow 13 or newer, so it is not among our packages. ``make test-space`` makes an
environment and names its Python in SPACE_PYTHON.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
SPACE = ROOT / "spaces"

SCRIPT = """
import json, sys
sys.path[:0] = [{space!r}, *{paths!r}]
import app
demo = app.build()
found, pictures, text = app.read(None)
answer, evidence = app.ask(found, "Who keeps the lamp?")
absent, _ = app.ask(found, "Who is <b>Zorkmid Blathering</b>?")
names = sorted(each["api_name"] for each in demo.config["dependencies"])
print(json.dumps([names, len(pictures), text, answer, len(evidence), absent]))
"""


def requirements() -> dict[str, str]:
    """The packages that are pinned, with their versions."""
    lines = (SPACE / "requirements.txt").read_text("utf-8").splitlines()
    named = [line.partition(";")[0].strip() for line in lines if line and line[0] not in "#."]
    return dict(line.split("==") for line in named)


def test_every_package_is_pinned_and_is_one_that_we_take() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = {
        re.split(r"[><;=\[]", each)[0].lower().replace("_", "-").strip()
        for each in project["dependencies"]
    }
    pinned = {name.lower().replace("_", "-") for name in requirements()}
    assert wanted | {"gradio", "opencv-python-headless"} == pinned


def test_the_front_matter_names_the_same_gradio() -> None:
    _, front, text = (SPACE / "README.md").read_text("utf-8").split("---\n", 2)
    settings = yaml.safe_load(front)
    assert settings["sdk"] == "gradio"
    assert settings["sdk_version"] == requirements()["gradio"]
    assert (SPACE / settings["app_file"]).is_file()
    assert "A Space is somebody else's machine" in text


@pytest.mark.space
def test_it_builds_its_interface_and_answers_on_the_sample() -> None:
    python = os.environ.get("SPACE_PYTHON")
    if not python:
        pytest.skip("SPACE_PYTHON names no Python with Gradio: see `make test-space`")
    script = SCRIPT.format(space=str(SPACE), paths=[str(ROOT / "src")])
    ran = subprocess.run(
        [python, "-c", script], capture_output=True, text=True, timeout=300, check=False
    )
    assert ran.returncode == 0, ran.stderr
    names, pictures, text, answer, evidence, absent = json.loads(ran.stdout.splitlines()[-1])
    assert names == ["ask", "read"]
    assert pictures == 3
    assert "Six Lights" in text
    assert "page " in answer
    assert evidence >= 1
    assert "Not in this document" in absent
    assert "<b>" not in absent
