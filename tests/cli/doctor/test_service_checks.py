"""``dsocr doctor`` and a service; answers as service/api/operations/health_routes.py gives them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from scripted_service import Request, ScriptedService

from deepseek_ocr_rag.cli.doctor.service_checks import service_checks
from deepseek_ocr_rag.cli.main import main
from deepseek_ocr_rag.version import __version__

METRICS = b'dsocr_jobs{state="queued"} 7.0\ndsocr_jobs{state="running"} 2.0\ndsocr_ready 1.0\n'


def healthy(request: Request) -> None:
    answers = {
        "/livez": {"status": "alive"},
        "/readyz": {"status": "ready"},
        "/openapi.json": {"info": {"version": __version__}},
        "/metrics": METRICS,
    }
    request.send(200, answers[request.path])


def but(path: str, status: int, body: object) -> Callable[[Request], None]:
    return lambda request: request.send(status, body) if request.path == path else healthy(request)


def test_a_healthy_service_passes_and_its_queue_is_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with ScriptedService(healthy) as service:
        assert main(["doctor", "--service", service.url]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line[:4] for line in lines] == ["ok  "] * 5
    assert lines[-1] == "ok  service queue: 2 running, 7 waiting"


@pytest.mark.parametrize(
    ("path", "status", "body", "said"),
    [
        ("/livez", 200, b"<html>", "not as this service"),
        ("/livez", 404, {}, "not as this service"),
        ("/readyz", 503, {"detail": "the model is being loaded"}, "the model is being loaded"),
        ("/openapi.json", 200, {"info": {"version": "0.0.9"}}, "service version: 0.0.9"),
        ("/metrics", 200, b"", "service queue"),
        ("/readyz", 503, {"detail": "\x1b[31m" + "x" * 10**5}, "service ready"),
    ],
)
def test_what_is_wrong_is_told_and_the_exit_code_says_so(
    path: str, status: int, body: object, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with ScriptedService(but(path, status, body)) as service:
        assert main(["doctor", "--service", service.url]) == 4
    shown = capsys.readouterr().out
    assert said in shown
    assert "\x1b" not in shown
    assert len(shown) < 5000


def test_nobody_there_is_told_with_the_cure(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--service", "http://127.0.0.1:9"]) == 4
    assert "dsocr serve" in capsys.readouterr().out


def test_a_missing_key_is_not_a_fault_of_the_service() -> None:
    refused = but("/openapi.json", 401, {"detail": "the API key is missing or wrong"})
    with ScriptedService(refused) as service:
        *_, key = service_checks(service.url)
        assert (key.ok, key.optional) == (False, True)
        assert main(["doctor", "--service", service.url]) == 0


def test_a_wrong_key_is_a_fault_and_the_key_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSOCR_SERVICE_KEY", "a-long-enough-key")
    refused = but("/openapi.json", 401, {"detail": "the API key is missing or wrong"})
    with ScriptedService(refused) as service:
        assert main(["doctor", "--service", service.url]) == 4
        assert service.requests[-1].headers["authorization"] == "Bearer a-long-enough-key"


def test_a_wrong_address_in_the_environment_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSOCR_SERVICE_URL", "gpu:8765")
    (check,) = service_checks()
    assert not check.ok
    assert main(["doctor", "--service", "gpu:8765"]) == 2


def test_an_error_to_explain_and_a_service_do_not_go_together() -> None:
    assert main(["doctor", "CUDA error", "--service", "http://127.0.0.1:9"]) == 2
