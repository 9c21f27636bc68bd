"""Nothing that anybody else chose commands the terminal: not a name, an error, a log line.

First, every place in the code that could print is found, so that a new one cannot forget the
function that makes text visible. Then every command runs with hostile names.
"""

from __future__ import annotations

import argparse
import ast
import io
import json
import logging
import re
import sys
import threading
import warnings
from contextlib import suppress
from pathlib import Path

import pytest
from house import MODULE_FILES, parsed
from PIL import Image

from deepseek_ocr_rag.cli import commands, demo, output
from deepseek_ocr_rag.cli import main as cli
from deepseek_ocr_rag.cli.arguments import argument_parser
from deepseek_ocr_rag.cli.doctor import doctor_command
from deepseek_ocr_rag.cli.doctor.check import Check
from deepseek_ocr_rag.service.api.operations.json_log import JsonLines
from deepseek_ocr_rag.service.engine.reading_process import VisibleLines
from deepseek_ocr_rag.text.visible import visible_line

# --- every place that could print ------------------------------------------------------------

HOME = "deepseek_ocr_rag.cli.output"
BAR = "deepseek_ocr_rag.reading.progress_bar"
"""Draws the progress bar, for programs and for the command."""
CHILD_PROGRAMS = {
    "deepseek_ocr_rag.backends.transformers.device_probe",
    "deepseek_ocr_rag.backends.official.published_code",
    "deepseek_ocr_rag.backends.local.watch_copies",
    "deepseek_ocr_rag.batch.engines.batch_worker",
    # It looks after the streams themselves, and says nothing on them but why a command ended.
    "deepseek_ocr_rag.cli.standard_streams",
}
"""Programs of child processes: their streams are pipes, which we read."""

LOGS = {
    "deepseek_ocr_rag.service.api.operations.json_log",
    "deepseek_ocr_rag.service.engine.reading_process",
}
"""Write the service's log, each line by a formatter that is tested below."""

STREAMS = {"sys.stdout", "sys.stderr", "sys.__stdout__", "sys.__stderr__"}
HARMLESS = {"flush", "fileno", "reconfigure", "isatty", "encoding", "closed", "close", "buffer"}
"""What may be done with a stream elsewhere: nothing of this prints text."""
PRINTERS = {
    "print", "pprint", "pprint.pprint", "tqdm", "tqdm.tqdm", "tqdm.write", "tqdm.auto.tqdm",
    "logging.StreamHandler", "logging.basicConfig", "logging.lastResort", "StreamHandler", "basicConfig",
    "traceback.print_exc", "traceback.print_exception", "traceback.print_stack", "traceback.print_tb",
    "warnings.showwarning", "sys.excepthook", "threading.excepthook", "sys.unraisablehook",
    "os.system",
}  # fmt: skip
LIBRARIES = {"tqdm", "rich", "click", "colorama", "curses", "termcolor"}
WORTH_A_LOOK = re.compile(
    r"print|stdout|stderr|input|getpass|exit|Exit|hook|lastResort|StreamHandler|basicConfig"
    rf"|os\.write|os\.system|ArgumentParser|/dev/tty|CONOUT|showwarning|{'|'.join(sorted(LIBRARIES))}"
)
"""What is in the text of every module that has a place that prints."""


def dotted(node: ast.AST) -> str:
    """``sys.stdout`` of its expression; "" for any other."""
    if isinstance(node, ast.Attribute):
        inner = dotted(node.value)
        return f"{inner}.{node.attr}" if inner else ""
    return node.id if isinstance(node, ast.Name) else ""


def is_constant(node: ast.expr) -> bool:
    if isinstance(node, ast.IfExp):
        return is_constant(node.body) and is_constant(node.orelse)
    return isinstance(node, ast.Constant)


def printing_places(code: str) -> list[str]:
    """Every expression that prints, or gives something the means to, without our function."""
    if not WORTH_A_LOOK.search(code):
        return []
    nodes = list(ast.walk(ast.parse(code)))
    allowed: set[ast.AST] = set()
    found = []
    for node in nodes:
        if isinstance(node, ast.Attribute) and node.attr in HARMLESS:
            allowed.add(node.value)
        elif isinstance(node, ast.Call):
            name = dotted(node.func)
            if name in ("write_visibly", "isinstance"):
                allowed.update(node.args)
            elif name in ("input", "getpass.getpass", "getpass"):
                found += [name for each in node.args if not is_constant(each)]
            elif name in ("sys.exit", "SystemExit"):
                found += [name for each in node.args if isinstance(each, ast.JoinedStr)]
                found += [
                    name
                    for each in node.args
                    if isinstance(each, ast.Constant) and isinstance(each.value, str)
                ]
            elif name == "os.write":
                found += [name for each in node.args[:1] if isinstance(each, ast.Constant)]
            elif name == "argparse.ArgumentParser":
                found.append(name)
    for node in nodes:
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names]
            modules = names if isinstance(node, ast.Import) else [node.module or ""]
            found += [name for name in modules if name.split(".")[0] in LIBRARIES]
        elif isinstance(node, ast.Name | ast.Attribute) and node not in allowed:
            name = dotted(node)
            if name in STREAMS or name in PRINTERS:
                found.append(name)
        elif isinstance(node, ast.Constant) and node.value in ("/dev/tty", "CONOUT$"):
            found.append(str(node.value))
    return found


def test_nothing_prints_but_the_one_module() -> None:
    found = {
        module: places
        for module, path in MODULE_FILES.items()
        if module not in CHILD_PROGRAMS | LOGS | {HOME, BAR}
        and (places := printing_places(path.read_text("utf-8")))
    }
    assert found == {}


def test_the_one_module_prints_only_through_the_one_function() -> None:
    tree = parsed(MODULE_FILES[HOME])
    writes = [
        (function.name, ast.unparse(node))
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("write", "writelines", "set_description", "set_postfix_str")
    ]
    assert writes == [
        ("write_visibly", "stream.write(visible(text))"),
        ("write_over", r"sys.stderr.write('\r')"),
    ]


def test_the_bar_shows_names_only_through_the_one_function() -> None:
    calls = [node for node in ast.walk(parsed(MODULE_FILES[BAR])) if isinstance(node, ast.Call)]
    shown = [
        ast.unparse(argument)
        for node in calls
        if isinstance(node.func, ast.Attribute) and node.func.attr.startswith("set_")
        for argument in node.args
    ]
    assert shown == ["_label(progress)"]
    (label,) = [
        node
        for node in ast.walk(parsed(MODULE_FILES[BAR]))
        if isinstance(node, ast.FunctionDef) and node.name == "_label"
    ]
    returns = [node for node in ast.walk(label) if isinstance(node, ast.Return)]
    assert len(returns) == 1
    assert ast.unparse(returns[0]).startswith("return visible_line(")


@pytest.mark.parametrize(
    "code",
    [
        "print(name)",
        "sys.stdout.write(name)",
        "sys.stderr.writelines([name])",
        "write = sys.stderr.write",
        "print_to(sys.stdout)",
        "out = sys.__stderr__",
        "from tqdm.auto import tqdm",
        "import rich.console",
        "input(f'{name}? ')",
        "input('? ' if tty else name)",
        "sys.exit(f'no {name}')",
        "raise SystemExit('no')",
        "traceback.print_exc()",
        "logging.basicConfig()",
        "logger.addHandler(logging.StreamHandler())",
        "warnings.showwarning = show",
        "os.write(2, name)",
        "open('/dev/tty', 'w')",
        "argparse.ArgumentParser(prog=name)",
    ],
)
def test_a_place_that_prints_is_found(code: str) -> None:
    assert printing_places(code) != []


# --- every command with hostile names --------------------------------------------------------

EVIL = "a\x1b]0;owned\x07\x1b[2J\x9b31m\x7f\x08\u202egnp\u2066b\r\t\ndsocr: all is well"
COMMANDING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
REPLY = "<|ref|>text<|/ref|><|det|>[[100, 150, 900, 300]]<|/det|>\nThe lamp was lit in 1871."


@pytest.mark.parametrize("formatter", [JsonLines(), VisibleLines()])
def test_a_line_of_the_service_s_log_commands_nothing(formatter: logging.Formatter) -> None:
    record = logging.LogRecord("a", logging.WARNING, "", 0, f"{EVIL} is damaged", (), None)
    line = formatter.format(record)
    assert "is damaged" in line
    assert COMMANDING.findall(line) == []
    assert "\n" not in line


class Terminal(io.StringIO):
    """Standard error as a terminal, so that there is a progress bar."""

    def isatty(self) -> bool:
        return True


def commands_of(tmp_path: Path) -> dict[str, list[list[str]]]:
    """For each command, arguments with hostile names."""
    scan = tmp_path / f"{EVIL}.png"
    Image.new("RGB", (60, 80), "white").save(scan, "PNG")
    raw = tmp_path / f"{EVIL}.txt"
    raw.write_text(f"{REPLY}{EVIL}", "utf-8")
    recording = tmp_path / "replies.jsonl"
    recording.write_text(json.dumps({"page": 1, "text": f"{REPLY}{EVIL}"}) + "\n", "utf-8")
    lines = tmp_path / f"{EVIL}.jsonl"
    lines.write_text(json.dumps({"uri": f"missing {EVIL}.pdf", "id": EVIL}) + "\n", "utf-8")
    backend = ["--no-cache", "--backend", f"replay:{recording}"]
    missing, out = str(tmp_path / f"missing {EVIL}.pdf"), str(tmp_path / f"out {EVIL}")
    read = ["read", str(scan), *backend]
    ask = ["ask", str(scan), f"When was the lamp lit? {EVIL}", "--llm", "none", *backend]
    return {
        "read": [
            read,
            [*read, str(scan)],
            [*read, "--json"],
            [*read, "-o", out],
            [*read, missing],
            [*read, "--task", EVIL],
            [*read, "--pages", EVIL],
            ["read", str(scan), "--backend", EVIL],
            ["read", str(scan), "--backend", f"replay:{missing}"],
        ],
        "ask": [
            ask,
            [*ask, "--json"],
            [*ask, "--picture", f"{out}.png"],
            [*ask, "--picture", str(tmp_path / "no" / EVIL)],
            [*ask[:3], "--llm", f"ollama/{EVIL}", *backend],
        ],
        "chat": [["chat", str(scan), "--llm", "none", *backend]],
        "boxes": [["boxes", str(scan), "-o", out, *backend], ["boxes", missing, *backend]],
        "batch": [
            ["batch", missing, "-o", out],
            ["batch", str(lines), "-o", out],
            ["batch", str(scan), "-o", out, "--backend", f"replay:{recording}"],
            ["batch", str(scan), "-o", str(scan), "--backend", f"replay:{recording}"],
        ],
        "estimate": [["estimate", missing], ["estimate", str(lines)]],
        "train": [
            ["train", missing, "--check"],
            ["train", str(lines), "--check", "-o", out],
            ["train", str(lines), "--base", EVIL, "-o", out],
        ],
        "eval": [["eval", missing], ["eval", str(lines), "--backend", EVIL]],
        "merge": [["merge", missing, "-o", out]],
        "parse": [["parse", str(raw)], ["parse", missing]],
        "cache": [
            ["cache", "--folder", str(tmp_path / f"cache {EVIL}")],
            ["cache", "clear", "--folder", str(tmp_path / f"cache {EVIL}"), "--json"],
            ["cache", "--folder", str(scan)],
        ],
        "doctor": [["doctor"], ["doctor", "--json"], ["doctor", EVIL]],
        "serve-command": [
            ["serve-command", "vllm", "--model", EVIL],
            ["serve-command", "vllm", "--version", EVIL],
        ],
        "ollama-model": [["ollama-model", "--from", EVIL], ["ollama-model", "--file", EVIL]],
        "demo": [["demo", "-o", out]],
        "mcp": [["mcp", "--root", missing], ["mcp", "--root", str(scan)]],
        "serve": [
            ["serve", "--data", out, "--limit", EVIL],
            ["serve", "--data", out, "--keys", missing],
            ["serve", "--data", str(scan)],
        ],
    }


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """No Ollama, quick checks, and an interactive user who types a hostile question."""
    monkeypatch.setenv("OLLAMA_HOST", "http://127.0.0.1:9")
    checks = (Check(EVIL, False, EVIL, EVIL), Check(EVIL, True, EVIL))
    monkeypatch.setattr(doctor_command, "diagnose", lambda: checks)
    monkeypatch.setattr(demo, "run_demo", lambda folder, backend, show: show(str(folder)))
    monkeypatch.setattr("sys.stdin", io.StringIO(f"When was the lamp lit? {EVIL}\n"))


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("command", sorted(commands.COMMANDS))
def test_no_name_commands_the_terminal(
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for arguments in commands_of(tmp_path)[command]:
        terminal = Terminal()
        monkeypatch.setattr(sys, "stderr", terminal)
        with suppress(SystemExit):  # at wrong usage
            cli.main(arguments)
        out, err = capsys.readouterr().out, terminal.getvalue()
        printed = out + err
        assert printed, arguments
        # tqdm goes back to the start of its line.
        assert COMMANDING.findall(printed.replace("\r", "")) == [], arguments
        assert "b\r\t" not in printed, arguments
        # No name begins a line that looks like ours; a page's text may have such a line.
        lines = printed if command in ("cache", "doctor") else err
        assert not re.search("^dsocr: all is well", lines, re.MULTILINE), arguments


@pytest.mark.usefixtures("quiet")
def test_the_progress_bar_shows_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    cli.main(commands_of(tmp_path)["read"][0])
    assert visible_line(EVIL)[:20] in terminal.getvalue()


@pytest.mark.parametrize(
    "arguments",
    [[EVIL], ["read", f"--{EVIL}".replace(" ", ""), "x"], ["read", "x", "--mode", EVIL], ["read"]],
)
def test_wrong_usage_repeats_no_commands(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == 2
    printed = "".join(capsys.readouterr())
    assert "dsocr" in printed
    assert COMMANDING.findall(printed) == []


def test_every_parser_is_ours() -> None:
    """Also those of the commands: argparse itself would print what was typed as it is."""
    (commands,) = [
        action
        for action in argument_parser()._actions
        if isinstance(action, argparse._SubParsersAction)
    ]
    assert {type(parser) for parser in commands.choices.values()} == {type(argument_parser())}


def test_logs_and_warnings_are_notes_without_commands(capsys: pytest.CaptureFixture[str]) -> None:
    last_resort = logging.lastResort
    with output.notes_from_log():
        logging.getLogger("deepseek_ocr_rag.reading").info("%s", EVIL)
        # What a library logs goes to Python's last resort, unless somebody set up logging.
        assert logging.lastResort is not None
        record = logging.LogRecord("library", logging.WARNING, "", 0, EVIL, None, None)
        logging.lastResort.handle(record)
        warnings.warn(EVIL, UserWarning, stacklevel=1)
    assert logging.lastResort is last_resort
    printed = capsys.readouterr().err
    assert printed.count("dsocr: a\ufffd]0;owned") == 3
    assert COMMANDING.findall(printed) == []


def test_a_traceback_has_no_commands(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    output.print_tracebacks()
    error = ValueError(EVIL)
    sys.excepthook(ValueError, error, None)
    threading.excepthook(threading.ExceptHookArgs((ValueError, error, None, None)))
    printed = capsys.readouterr().err
    assert printed.count("ValueError: a\ufffd]0;owned") == 2
    assert COMMANDING.findall(printed) == []
