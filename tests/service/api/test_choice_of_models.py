"""Which models a question may name, and conversations: over a scripted Ollama."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fake_ollama import FakeModel, Ollama033, Written
from running_service import events, finished, recording, send, serving

from deepseek_ocr_rag.service.api.api_settings import ApiSettings
from deepseek_ocr_rag.service.queue import JobQueue
from deepseek_ocr_rag.service.service_limits import ReaderSettings, ServiceLimits

JSON = {"Accept": "application/json"}
ASKED: list[str] = []
"""What the model was asked, the last message of each request."""


def answers(body: dict[str, object]) -> Written:
    messages = body.get("messages") or []
    text = str(messages[-1]["content"]) if messages else ""  # type: ignore[index]
    ASKED.append(text)
    if "Follow-up question" in text:
        return Written("Who keeps the lamp of the lighthouse?")
    if "mixed" in text:
        return Written(
            '{"sentences": [{"text": "Anna Berg keeps the lamp, and the moon is made of'
            ' green cheese.", "sources": [1]}]}'
        )
    return Written('{"sentences": [{"text": "Anna Berg keeps the lamp.", "sources": [1]}]}')


@pytest.fixture(scope="module")
def ollama(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ollama033]:
    models = (
        FakeModel("writer:latest", None, answers),
        FakeModel("minilm:latest", None, answers, capabilities=("embedding",), architecture="bert"),
        FakeModel("deepseek-ocr:latest", None, answers, architecture="deepseekocr"),
    )
    with Ollama033(tmp_path_factory.mktemp("ollama"), *models) as server:
        yield server


@pytest.fixture(scope="module")
def queue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JobQueue]:
    folder = tmp_path_factory.mktemp("models")
    reader = ReaderSettings(backend=recording(folder / "recording.jsonl"))
    with JobQueue(folder / "data", reader, ServiceLimits()) as started:
        yield started


@pytest.fixture(scope="module")
def http(queue: JobQueue, ollama: Ollama033) -> Iterator[httpx.Client]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OLLAMA_HOST", ollama.url)
        with serving(queue) as client:
            yield client


@pytest.fixture(scope="module")
def job(http: httpx.Client) -> str:
    from deepseek_ocr_rag import sample_path

    return str(finished(http, send(http, Path(sample_path()))["id"])["id"])


def ask(http: httpx.Client, job: str, question: str, **more: object) -> dict[str, object]:
    body = {"question": question, "jobs": [job], **more}
    reply = http.post("/v1/ask", json=body, headers=JSON)
    assert reply.status_code == 200, reply.text
    answer: dict[str, object] = reply.json()
    return answer


def test_only_models_that_write_are_listed(http: httpx.Client) -> None:
    assert http.get("/v1/language-models").json() == {
        "default": "none",
        "models": ["none", "ollama/writer:latest"],
        "problem": None,
    }


def test_a_question_names_a_listed_model(http: httpx.Client, job: str) -> None:
    answer = ask(http, job, "Who keeps the lamp?", model="ollama/writer:latest")
    assert answer["llm"] == "ollama/writer:latest"
    assert ask(http, job, "Who keeps the lamp?")["llm"] is None
    assert ask(http, job, "Who keeps the lamp?", model="none")["llm"] is None


@pytest.mark.parametrize(
    "model",
    [
        "ollama/minilm:latest",
        "ollama/deepseek-ocr:latest",
        "ollama/not-there",
        "openai:http://169.254.169.254",
        "ollama/../../api/delete",
        "",
        "x" * 301,
    ],
)
def test_a_question_names_no_other(
    http: httpx.Client, job: str, model: str, ollama: Ollama033
) -> None:
    before = len(ollama.asked("/api/chat"))
    body = {"question": "Who?", "jobs": [job], "model": model}
    assert http.post("/v1/ask", json=body, headers=JSON).status_code == 422
    assert len(ollama.asked("/api/chat")) == before


def test_the_operator_can_allow_no_choice(queue: JobQueue, ollama: Ollama033, job: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OLLAMA_HOST", ollama.url)
        with serving(queue, ApiSettings(only_llm=True)) as http:
            assert http.get("/v1/language-models").json()["models"] == ["none"]
            body = {"question": "Who?", "jobs": [job], "model": "ollama/writer:latest"}
            assert http.post("/v1/ask", json=body, headers=JSON).status_code == 422


def test_without_ollama_the_list_says_what_to_do(queue: JobQueue) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OLLAMA_HOST", "http://127.0.0.1:9")
        with serving(queue) as http:
            found = http.get("/v1/language-models").json()
    assert found["models"] == ["none"]
    assert "ollama serve" in found["problem"]


def test_a_follow_up_question_is_understood(http: httpx.Client, job: str) -> None:
    history = [{"question": "When was the lighthouse built?", "answer": "In 1871. [1]"}]
    model = "ollama/writer:latest"
    answer = ask(http, job, "And who keeps its lamp?", model=model, history=history)
    assert answer["query"] == "Who keeps the lamp of the lighthouse?"
    assert any("When was the lighthouse built?" in text for text in ASKED)


def test_without_a_model_the_question_before_stands_in_front(http: httpx.Client, job: str) -> None:
    history = [{"question": "How high is the tower?", "answer": "31 metres."}]
    answer = ask(http, job, "Who built it?", history=history)
    assert answer["query"] == "How high is the tower? Who built it?"


@pytest.mark.parametrize(
    "history",
    [
        [{"question": "a", "answer": "b"}] * 21,
        [{"question": "", "answer": "b"}],
        [{"question": "a", "answer": "b" * 20_001}],
        [{"question": "a"}],
        "a",
    ],
)
def test_a_malformed_conversation_is_refused(http: httpx.Client, job: str, history: object) -> None:
    body = {"question": "Who?", "jobs": [job], "history": history}
    assert http.post("/v1/ask", json=body, headers=JSON).status_code == 422


def test_a_sentence_of_which_one_part_is_there_is_partly_supported(
    http: httpx.Client, job: str
) -> None:
    model = "ollama/writer:latest"
    answer = ask(http, job, "Who keeps the lamp? (mixed)", model=model)
    sentences: list[dict[str, object]] = answer["sentences"]  # type: ignore[assignment]
    mixed = next(each for each in sentences if "cheese" in str(each["text"]))
    assert mixed["status"] == "partly"
    assert mixed["problem"] == "the source does not say this"
    (part,) = mixed["parts"]  # type: ignore[misc]
    assert part["text"] == "Anna Berg keeps the lamp"  # type: ignore[index]
    numbers = part["citations"]  # type: ignore[index]
    cited = {each["number"]: each for each in answer["citations"]}  # type: ignore[attr-defined]
    assert cited[numbers[0]]["page"] == 2


def test_a_citation_leads_to_its_words(http: httpx.Client, job: str) -> None:
    answer = ask(http, job, "Who keeps the lamp?", model="ollama/writer:latest")
    cited = answer["citations"][0]  # type: ignore[index]
    page = http.get(f"/v1/jobs/{job}/pages/{cited['page']}").json()
    assert page["markdown"][slice(*cited["span"])] == cited["quote"]
    assert http.get(cited["words"]).json()["boxes"]


def test_the_stream_ends_with_what_json_has(http: httpx.Client, job: str) -> None:
    body = {"question": "Who keeps the lamp?", "jobs": [job], "model": "ollama/writer:latest"}
    with http.stream("POST", "/v1/ask", json=body) as reply:
        last = list(events(reply.iter_lines()))[-1]
    assert last[0] == "answer"
    assert last[2] == http.post("/v1/ask", json=body, headers=JSON).json()
