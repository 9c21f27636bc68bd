"""No shipped code runs what a document or a model wrote, and no check of ours vanishes with ``-O``."""

from __future__ import annotations

import ast

import pytest
from house import OUR_FILES, import_graph, name_of, offenders

RUNS_TEXT = {
    *("eval", "exec", "compile", "__import__", "execfile", "input.eval", "os.system", "os.popen"),
    *("os.execl", "os.execlp", "os.execv", "os.execve", "os.execvp", "os.spawnl", "os.spawnv"),
    *("pty.spawn", "subprocess.getoutput", "subprocess.getstatusoutput", "code.interact"),
    *("asyncio.create_subprocess_shell", "runpy.run_path", "types.FunctionType", "types.CodeType"),
}
UNSAFE_MODULES = {
    *("pickle", "cPickle", "_pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib"),
    *("jsonpickle", "commands", "popen2", "imp", "telnetlib", "ftplib"),
}
UNSAFE_ENDINGS = (
    *("yaml.load", "yaml.load_all", "yaml.unsafe_load", "yaml.full_load", "torch.load"),
    *(".read_pickle", ".to_pickle", "tarfile.extractall", ".extractall", "tempfile.mktemp"),
    *("torch.hub.load", "hub.load", "_create_unverified_context", "literal_eval"),
)
UNSAFE_VALUES = {
    # keyword: the only value that it may be written with
    "shell": False,
    "trust_remote_code": False,
    "allow_pickle": False,
    "weights_only": True,
    "verify": True,
    "check_hostname": True,
}


def _are_ours(keyword: ast.keyword) -> bool:
    """Whether these are the certificates that ``test_certificates.py`` is about."""
    called = keyword.value.func if isinstance(keyword.value, ast.Call) else None
    return keyword.arg == "verify" and ast.unparse(called or keyword) == "trusted_certificates"


def dangers(source: str) -> list[str]:
    """Calls and imports that could run what a document or a model wrote, and asserts."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func).removeprefix("builtins.")
            if called in RUNS_TEXT or called.endswith(UNSAFE_ENDINGS):
                found.append(called)
            if called in {"getattr", "vars(builtins).get"} and "builtins" in ast.unparse(node):
                found.append(ast.unparse(node))
            found += [
                f"{keyword.arg}={ast.unparse(keyword.value)}"
                for keyword in node.keywords
                if keyword.arg in UNSAFE_VALUES
                and not (
                    isinstance(keyword.value, ast.Constant)
                    and keyword.value.value is UNSAFE_VALUES[keyword.arg]
                )
                and not _are_ours(keyword)
            ]
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names = {getattr(node, "module", None) or ""} | {alias.name for alias in node.names}
            if not getattr(node, "level", 0):
                found += sorted({name.split(".")[0] for name in names} & UNSAFE_MODULES)
            if isinstance(node, ast.ImportFrom) and node.module in {"os", "subprocess", "yaml"}:
                found += [
                    f"{node.module}.{alias.name}"
                    for alias in node.names
                    if f"{node.module}.{alias.name}" in RUNS_TEXT
                    or f"{node.module}.{alias.name}".endswith(UNSAFE_ENDINGS)
                ]
        elif isinstance(node, ast.Name) and node.id in {"eval", "exec", "__builtins__"}:
            found.append(node.id)
        elif isinstance(node, ast.Assert):
            found.append("assert")
    return found


@pytest.mark.parametrize(
    "source",
    [
        "eval(x)",
        "exec('x')",
        "run = eval",
        "map(eval, boxes)",
        "builtins.eval(x)",
        "getattr(builtins, 'ev' + 'al')(x)",
        "__builtins__['eval'](x)",
        "ast.literal_eval(x)",
        "compile(x, '', 'exec')",
        "import pickle",
        "import pickle as p",
        "from pickle import loads",
        "from joblib import load",
        "frame.to_pickle(x)",
        "numpy.load(x, allow_pickle=True)",
        "torch.load(x)",
        "torch.hub.load(x)",
        "import yaml\nyaml.load(x)",
        "yaml.full_load(x)",
        "from yaml import unsafe_load",
        "subprocess.run(x, shell=True)",
        "subprocess.run(x, shell=flag)",
        "subprocess.getoutput(x)",
        "asyncio.create_subprocess_shell(x)",
        "AutoModel.from_pretrained(x, trust_remote_code=True)",
        "AutoModel.from_pretrained(x, trust_remote_code=flag)",
        "os.system(x)",
        "from os import system",
        "os.popen(x)",
        "tarfile.open(x).extractall()",
        "tempfile.mktemp()",
        "httpx.Client(verify=False)",
        "httpx.Client(verify=trusted_certificates)",
        "httpx.Client(check_hostname=trusted_certificates())",
        "ssl._create_unverified_context()",
        "__import__(x)",
        "assert x > 0",
    ],
)
def test_the_gate_finds_dangerous_calls(source: str) -> None:
    assert dangers(source)


def test_the_gate_lets_harmless_code_pass() -> None:
    assert (
        dangers(
            "re.compile('x')\nmodel.eval()\nrun(x, shell=False)\njson.loads(x)\n"
            "numpy.load(x, allow_pickle=False)\nyaml.safe_load(x)\nclient(verify=True)\n"
            "client(verify=trusted_certificates(trust_env=False))"
        )
        == []
    )


REMOTE_CODE_HOME = "src/deepseek_ocr_rag/backends/official/published_code.py"
"""The one program that runs published code, in a process of its own. It may only pass on
the flag that its caller sent, never set it itself; OfficialBackend does not start it without
permission."""
SENDING_HOME = "src/deepseek_ocr_rag/concurrency/shared_object.py"


def test_no_dangerous_calls() -> None:
    found = {name_of(path): dangers(path.read_text(encoding="utf-8")) for path in OUR_FILES}
    passed_on = found.pop(REMOTE_CODE_HOME)
    assert set(passed_on) == {"trust_remote_code=load['allow_remote_code']"}
    # It asks whether our own objects can be sent to another process, and reads nothing.
    assert found.pop(SENDING_HOME) == ["pickle"]
    assert "pickle.load" not in next(
        path.read_text(encoding="utf-8") for path in OUR_FILES if name_of(path) == SENDING_HOME
    )
    assert offenders(found) == {}


def test_no_module_imports_the_program_that_runs_published_code() -> None:
    module = "deepseek_ocr_rag.backends.official.published_code"
    graph = import_graph()
    assert [other for other, imports in graph.items() if module in imports] == []
    assert graph[module] == set()
