"""The rules of the house that a program can check: layers, public names, dangerous calls, size."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SRC = ROOT / "src"
PACKAGE = "deepseek_ocr_rag"

LAYERS: tuple[tuple[str, ...], ...] = (
    ("errors",),
    ("tables",),
    ("document",),
    ("text_layer", "prompts"),
    ("grammar",),
    ("renderers",),
    ("isolation",),
    ("source", "backends"),
    ("pipeline",),
    ("chunking",),
    ("retrieval",),
    ("draw",),
    ("qa",),
    ("export",),
    ("cli",),
)
"""Lowest first. A module reaches lower layers only, directly or through others.
Modules that are not named here may stand anywhere, as long as that stays true."""

HEAVY = {
    "torch",
    "transformers",
    "langchain",
    "langchain_core",
    "llama_index",
    "docling_core",
    "rapidocr",
    "onnxruntime",
    "cv2",
    "pymupdf",
    "fitz",
    "ollama",
    "bm25s",
    "numpy",
}
MODEL_RUNTIME_HOMES = ("engine", "backends.local", "backends.transformers", "backends.official")


def sources(folder: Path) -> list[Path]:
    return sorted(
        path for path in folder.rglob("*.py") if not {"tests", ".venv", "build"} & set(path.parts)
    )


MODULE_FILES = {
    ".".join(path.relative_to(SRC).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sources(SRC)
}
INTEGRATION_FILES = sources(ROOT / "integrations")
OUR_FILES = [*MODULE_FILES.values(), *INTEGRATION_FILES]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def offenders(found: Mapping[str, Sequence[object]]) -> dict[str, Sequence[object]]:
    """Only those with something found, so that a failure names file and matter."""
    return {name: wrong for name, wrong in found.items() if wrong}


def imported(path: Path, module: str = "") -> set[str]:
    """Full names that a file imports, anywhere in it; relative ones resolved."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    found: set[str] = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parents, base]).rstrip(".")
            for alias in node.names:
                full = f"{base}.{alias.name}"
                found.add(full if full in MODULE_FILES else base)
    return found


GRAPH = {
    module: {name for name in imported(path, module) if name in MODULE_FILES} - {module}
    for module, path in MODULE_FILES.items()
}


def reach(module: str) -> set[str]:
    """Every module that is imported with this one."""
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        for name in GRAPH[waiting.pop()] - seen:
            seen.add(name)
            waiting.append(name)
    return seen


def layer_of(module: str) -> tuple[int, str] | None:
    head = module.removeprefix(f"{PACKAGE}.").split(".")[0]
    for rank, names in enumerate(LAYERS):
        if head in names:
            return rank, head
    return None


def test_the_layers_exist() -> None:
    """So that a renamed module does not slip out of the next test."""
    missing = [
        name for names in LAYERS for name in names if f"{PACKAGE}.{name}" not in MODULE_FILES
    ]
    assert missing == []


def test_imports_point_one_way() -> None:
    wrong = {}
    for module in MODULE_FILES:
        if place := layer_of(module):
            wrong[module] = [
                other
                for other in sorted(reach(module))
                if (layer := layer_of(other)) and layer[1] != place[1] and layer[0] >= place[0]
            ]
    assert offenders(wrong) == {}


def test_no_module_imports_itself_through_others() -> None:
    assert [module for module in MODULE_FILES if module in reach(module)] == []


def test_the_package_imports_itself_relatively() -> None:
    wrong = {
        module: [
            node.lineno
            for node in ast.walk(parsed(path))
            if (isinstance(node, ast.ImportFrom) and not node.level and node.module)
            and node.module.split(".")[0] == PACKAGE
        ]
        for module, path in MODULE_FILES.items()
    }
    assert offenders(wrong) == {}


def test_frameworks_and_torch_stay_in_their_homes() -> None:
    wrong = {}
    for module, path in MODULE_FILES.items():
        kept_out = {"langchain", "langchain_core", "langchain_deepseek_ocr", "llama_index"}
        if not module.removeprefix(f"{PACKAGE}.").startswith(MODEL_RUNTIME_HOMES):
            kept_out |= {"torch", "transformers"}
        wrong[module] = sorted({name.split(".")[0] for name in imported(path, module)} & kept_out)
    assert offenders(wrong) == {}


def test_integrations_import_only_public_names_of_the_top_level_package() -> None:
    public = set(importlib.import_module(PACKAGE).__all__)
    wrong = {}
    for path in INTEGRATION_FILES:
        found = []
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Import):
                found += [a.name for a in node.names if a.name.startswith(f"{PACKAGE}.")]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                base = node.module or ""
                if base.startswith(f"{PACKAGE}."):
                    found.append(base)
                elif base == PACKAGE:
                    found += [alias.name for alias in node.names if alias.name not in public]
        wrong[name_of(path)] = found
    assert offenders(wrong) == {}


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = f"import json, sys; import {PACKAGE}; print(json.dumps(list(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
        env={"PYTHONPATH": str(SRC), "PATH": ""},
    )
    loaded = {name.split(".")[0] for name in json.loads(done.stdout)}
    assert loaded & HEAVY == set()


def test_the_public_names_are_all_there_and_no_others() -> None:
    package = importlib.import_module(PACKAGE)
    assert len(set(package.__all__)) == len(package.__all__)
    assert [name for name in package.__all__ if not hasattr(package, name)] == []
    offered = {
        name
        for name, value in vars(package).items()
        if not name.startswith("_") and not inspect.ismodule(value) and name != "annotations"
    }
    assert offered <= set(package.__all__)


def test_a_star_import_works() -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"from {PACKAGE} import *"],
        capture_output=True,
        text=True,
        timeout=120,
        env={"PYTHONPATH": str(SRC), "PATH": ""},
    )
    assert done.stderr == ""


def test_every_module_has_a_docstring_and_says_what_is_public() -> None:
    wrong = {}
    for path in OUR_FILES:
        tree = parsed(path)
        is_package_mark = path.name == "__init__.py" and len(tree.body) == 1
        if not ast.get_docstring(tree):
            wrong[name_of(path)] = ["no docstring"]
        elif "__all__" not in assigned(tree) and not is_package_mark:
            wrong[name_of(path)] = ["no __all__"]
    assert wrong == {}


def assigned(tree: ast.Module) -> set[str]:
    """Names that a module sets at its top level."""
    return {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }


def test_public_names_exist_and_have_docstrings() -> None:
    bare: dict[str, list[str]] = {}
    for module in MODULE_FILES:
        # Triton only comes with PyTorch for CUDA.
        if module.startswith(f"{PACKAGE}.engine.kernels.") and not find_spec("triton"):
            continue
        loaded = importlib.import_module(module)
        bare[module] = []
        for name in getattr(loaded, "__all__", ()):
            value = getattr(loaded, name)
            if inspect.isclass(value):
                bare[module] += [f"{name}.{method}" for method in bare_methods(value)]
                if not own_docstring(value):
                    bare[module].append(name)
            elif inspect.isfunction(value) and not inspect.getdoc(value):
                bare[module].append(name)
    assert offenders(bare) == {}


def own_docstring(cls: type) -> bool:
    """Whether somebody wrote it: a dataclass makes one of its own signature."""
    text = cls.__dict__.get("__doc__") or ""
    return bool(text) and not (
        dataclasses.is_dataclass(cls) and text.startswith(f"{cls.__name__}(")
    )


def bare_methods(cls: type) -> Iterator[str]:
    for name, value in vars(cls).items():
        method = getattr(value, "__func__", value)
        public = not name.startswith("_") and inspect.isfunction(method)
        if public and not inspect.getdoc(getattr(cls, name)):
            yield name


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


def dangers(source: str) -> list[str]:
    """Calls and imports that run what a document or a model wrote, and asserts that vanish."""
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
            ]
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names = {getattr(node, "module", None) or ""} | {alias.name for alias in node.names}
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
        "ssl._create_unverified_context()",
        "__import__(x)",
        "assert x > 0",
    ],
)
def test_the_gate_sees_dangerous_calls(source: str) -> None:
    assert dangers(source)


def test_the_gate_lets_harmless_code_pass() -> None:
    assert (
        dangers(
            "re.compile('x')\nmodel.eval()\nrun(x, shell=False)\njson.loads(x)\n"
            "numpy.load(x, allow_pickle=False)\nyaml.safe_load(x)\nclient(verify=True)"
        )
        == []
    )


REMOTE_CODE_HOME = "src/deepseek_ocr_rag/backends/official/worker.py"
"""The one program that runs published code, in a process of its own. It passes on
what its caller allows (OfficialBackend refuses to start it otherwise), and that
is all that it may: the flag is a value of its order, never written out."""


def test_no_dangerous_calls() -> None:
    found = {name_of(path): dangers(path.read_text(encoding="utf-8")) for path in OUR_FILES}
    passed_on = found.pop(REMOTE_CODE_HOME)
    assert set(passed_on) == {"trust_remote_code=order['allow_remote_code']"}
    assert offenders(found) == {}


def test_the_program_that_runs_published_code_is_imported_by_nobody() -> None:
    module = f"{PACKAGE}.backends.official.worker"
    assert [other for other, imports in GRAPH.items() if module in imports] == []
    assert GRAPH[module] == set()


def test_files_stay_under_400_lines() -> None:
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in OUR_FILES}
    assert {name_of(path): count for path, count in lines.items() if count >= 400} == {}


def test_file_names_say_something() -> None:
    empty = {"util", "utils", "helper", "helpers", "manager", "managers", "misc", "common"}
    assert [name_of(path) for path in OUR_FILES if empty & set(path.stem.split("_"))] == []


def test_the_data_that_users_get_is_frozen() -> None:
    package = importlib.import_module(PACKAGE)
    values = [getattr(package, name) for name in package.__all__]
    loose = [
        value.__name__
        for value in values
        if inspect.isclass(value)
        and dataclasses.is_dataclass(value)
        and not value.__dataclass_params__.frozen  # type: ignore[attr-defined]
    ]
    assert loose == []
