"""The public interface: what belongs to it, what importing costs, and that it is documented."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import json
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from house import (
    INTEGRATION_FILES,
    MODULE_FILES,
    OUR_FILES,
    PACKAGE,
    SRC,
    name_of,
    offenders,
    parsed,
)

DOORS = {
    "": "Answer BackendError Block Box Chunk Citation Conversation DeepSeekOCRError DocumentQA"
    " FetchPolicy LanguageModelError Limits LiteBackend LocalBackend OcrDocument OfficialBackend"
    " OllamaBackend OllamaEmbeddings OllamaModel OpenAIModel Page PageCache Passage Reader RecordingBackend"
    " ReplayBackend Retriever Sentence ServerBackend SourceError Table TransformersBackend"
    " __version__ chunk_document crop_boxes draw_page markdown_to_html open_source parse_document"
    " parse_page render_page sample_path to_docling verify write_folder",
    "agents": "AgentListing AgentLocations AgentPicture AgentReader AgentReply AgentSearch FORMS"
    " Location ToolArgument ToolForm arguments_of context_length_of",
    "answering": "Answer AnswerStream Citation Conversation DocumentQA LanguageModel Message"
    " OllamaModel OpenAIModel Sentence StructuredLanguageModel TermFrequencies Timings Verdict"
    " Verification Verifier verify",
    "backends": "Backend BackendStatus LiteBackend LiteBackendWarning LocalBackend OfficialBackend"
    " OllamaBackend PageRequest RecordingBackend Repeatable ReplayBackend Reply ServerBackend"
    " TransformersBackend choose_backend probe_backends",
    "batch": "BatchDocument BatchEstimate BatchProgress BatchSettings EstimatedRange ManifestEntry"
    " PageReader PageRow PageUnit RunAccount RunReport batch_documents batch_records"
    " estimate_batch manifest_entries run_batch",
    "concurrency": "run_cancellable",
    "document": "Block Box Cell OcrDocument Page Table TextLayer markdown_to_html parse_table",
    "errors": "BackendError BackendReplyError BackendTimeoutError BackendUnavailableError BusyError"
    " ConfigurationError CorruptSourceError DeepSeekOCRError EmbeddingModelError"
    " EmbeddingModelReplyError EmbeddingModelTimeoutError EmbeddingModelUnavailableError"
    " EngineFailedError EngineLostError EngineUnsupportedError IdempotencyError"
    " JobEndedError JobExpiredError JobNotFoundError LanguageModelError"
    " LanguageModelReplyError LanguageModelTimeoutError LanguageModelUnavailableError"
    " LimitExceededError MissingExtraError OutputError PageRangeError PageRenderError"
    " PageTooLargeError PageUnreadableError PasswordError QueueFullError QuotaError"
    " ReadCancelledError RemoteModelRefusedError RerankerError ServiceClosingError ServiceError"
    " SourceError SourceNotAllowedError SourceNotFoundError StoreError StoreFullError"
    " StoreInUseError UnknownSettingError UnsupportedSourceError UploadError"
    " UploadTooLargeError",
    "export": "AnswerPictures CitedPage FolderWriter crop_boxes draw_page to_docling write_folder",
    "grammar": "ParsedPage TokenLogprob format_page parse_document parse_page",
    "reading": "CacheStatus PageCache PageStream ProgressBar Reader ReadingProgress",
    "records": "BoxSearch OnError Record Split boxes_between document_record find_boxes page_records"
    " page_wanted split_records storable_values text_of_boxes",
    "retrieval": "Chunk ChunkPiece EmbeddingModel OllamaEmbeddings Passage Reranker Retriever"
    " chunk_document",
    "samples": "sample_path",
    "service": "CallbackTarget DueCallback Job JobError JobOptions JobPage JobQueue JobState"
    " QueueStats RESULT_FORMATS ReaderSettings Readiness ServiceLimits StoredPage Upload"
    " result_chunks"
    " ServiceReader reader_named",
    "sources": "FetchPolicy Limits Source SourceInput documents_in open_source render_page resolve_inside",
    "text": "estimate_tokens",
    "training": "AdapterSettings DataCheck Evaluation FactReport FineTuning PageFact PageScore SampleProblem"
    " SampleSet Scores TrainingResult TrainingSample check_samples evaluate evaluate_olmocr_bench"
    " evaluate_omnidocbench fine_tune merge read_samples"
    " score_page split_samples summarise write_report write_samples",
}
"""Every public module and its names. A change here is a change of the interface."""

HEAVY = {
    *("torch", "transformers", "langchain", "langchain_core", "llama_index", "docling_core"),
    *("rapidocr", "onnxruntime", "cv2", "pymupdf", "fitz", "ollama", "bm25s", "numpy"),
    *("PIL", "httpx", "pypdfium2", "tqdm"),
}


@pytest.mark.parametrize("door", DOORS)
def test_a_public_module_offers_these_names_and_no_others(door: str) -> None:
    module = importlib.import_module(f"{PACKAGE}.{door}".rstrip("."))
    assert sorted(module.__all__) == sorted(DOORS[door].split())
    assert [name for name in module.__all__ if not hasattr(module, name)] == []


def test_about_40_names_stand_at_the_top() -> None:
    assert 35 <= len(DOORS[""].split()) <= 45


@pytest.mark.parametrize("stub", sorted(SRC.rglob("*.pyi")), ids=name_of)
def test_a_lazy_module_is_whole_for_type_checkers(stub: Path) -> None:
    tree = ast.parse(stub.read_text(encoding="utf-8"))
    offered = [a.name for node in tree.body if isinstance(node, ast.ImportFrom) for a in node.names]
    (listed,) = [ast.literal_eval(node.value) for node in tree.body if isinstance(node, ast.Assign)]
    assert sorted(offered) == sorted(listed)


def in_a_new_process(code: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *options, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
        env={"PYTHONPATH": str(SRC), "PATH": ""},
    )


def test_importing_the_package_loads_nothing_heavy() -> None:
    done = in_a_new_process(
        f"import json, sys; import {PACKAGE}; print(json.dumps([*sys.modules]))"
    )
    loaded = {name.split(".")[0] for name in json.loads(done.stdout)}
    assert loaded & HEAVY == set()


def test_importing_the_package_takes_at_most_half_longer_than_httpx() -> None:
    """Each in a process of its own, the best of five, by CPU time."""
    code = "import time; begun = time.process_time(); import {}; print(time.process_time() - begun)"
    seconds = {
        name: min(float(in_a_new_process(code.format(name)).stdout) for _ in range(5))
        for name in ("httpx", PACKAGE)
    }
    assert seconds[PACKAGE] <= 1.5 * seconds["httpx"]


def test_a_star_import_works() -> None:
    assert in_a_new_process(f"from {PACKAGE} import *").stderr == ""


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
        name.id
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        for name in ast.walk(target)
        if isinstance(name, ast.Name)
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


@pytest.mark.parametrize("door", DOORS)
def test_the_data_that_users_get_is_frozen(door: str) -> None:
    package = importlib.import_module(f"{PACKAGE}.{door}".rstrip("."))
    values = [getattr(package, name) for name in package.__all__]
    loose = [
        value.__name__
        for value in values
        if inspect.isclass(value)
        and dataclasses.is_dataclass(value)
        and not value.__dataclass_params__.frozen  # type: ignore[attr-defined]
    ]
    assert loose == []


def test_every_public_name_of_the_integrations_is_listed() -> None:
    wrong = [
        name_of(path)
        for path in INTEGRATION_FILES
        if path.name == "__init__.py" and "__all__" not in assigned(parsed(path))
    ]
    assert wrong == []
