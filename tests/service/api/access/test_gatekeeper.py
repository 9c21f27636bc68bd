from __future__ import annotations

import json
from typing import Any

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from deepseek_ocr_rag.service.api.access.api_keys import ApiKeys
from deepseek_ocr_rag.service.api.access.gatekeeper import OWNER, Gatekeeper
from deepseek_ocr_rag.service.api.api_settings import ApiSettings

ANNA = "anna-0123456789abcdef"
KEYS = ApiKeys.parse([f"anna:{ANNA}"], source="here")


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["path"] == "/broken":
        raise ValueError("the text of a document")
    while (await receive()).get("more_body"):
        pass
    await PlainTextResponse(f"for {scope.get(OWNER)}")(scope, receive, send)


class Reply:
    def __init__(self, sent: list[dict[str, Any]]) -> None:
        self.status = sent[0]["status"]
        self.headers = {k.decode().lower(): v.decode() for k, v in sent[0]["headers"]}
        self.text = b"".join(each.get("body", b"") for each in sent[1:]).decode()


async def ask(
    settings: ApiSettings,
    path: str = "/v1/jobs",
    *,
    gatekeeper: Gatekeeper | None = None,
    body: tuple[bytes, ...] = (b"",),
    **headers: str,
) -> Reply:
    given = {"host": "127.0.0.1:8765"} | {n.replace("_", "-"): v for n, v in headers.items()}
    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "client": ("127.0.0.1", 1),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in given.items()],
    }
    sent: list[dict[str, Any]] = []
    left = list(body)

    async def receive() -> dict[str, Any]:
        piece = left.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(left)}

    async def send(message: Any) -> None:
        sent.append(dict(message))

    await (gatekeeper or Gatekeeper(app, settings))(scope, receive, send)
    return Reply(sent)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:8765", "localhost:1", "LOCALHOST", "[::1]:8765", "127.3.2.1"]
)
async def test_on_this_machine_its_own_names_are_right(host: str) -> None:
    assert (await ask(ApiSettings(), host=host)).status == 200


@pytest.mark.parametrize(
    "host",
    [
        *("", "evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "evil.localhost"),
        *("10.0.0.1", "0.0.0.0", "[::]", "127.0.0.1@evil.example", "127.0.0.1/", "a b", "[::1"),
        *("127.0.0.1:99999999", "127.1", "2130706433", "0x7f.1", "\xe9vil"),
    ],
)
async def test_a_name_that_anyone_may_point_here_is_refused(host: str) -> None:
    assert (await ask(ApiSettings(), host=host)).status == 421


async def test_an_address_of_the_network_and_listed_names_are_right_where_keys_are_set() -> None:
    settings = ApiSettings(host="0.0.0.0", keys=KEYS, hosts=("reader",))
    for host, status in (("10.0.0.7", 200), ("reader:80", 200), ("other", 421)):
        assert (await ask(settings, host=host, x_api_key=ANNA)).status == status


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:1"},
        {"origin": "http://[::1"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site", "origin": "http://127.0.0.1:8765"},
    ],
)
async def test_another_web_site_cannot_use_the_service(headers: dict[str, str]) -> None:
    assert (await ask(ApiSettings(), **headers)).status == 403


async def test_a_page_of_the_service_may_use_it() -> None:
    own = {"origin": "http://127.0.0.1:8765", "sec_fetch_site": "same-origin"}
    assert (await ask(ApiSettings(), **own)).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": f"Basic {ANNA}"},
        {"authorization": ANNA},
        {"authorization": "Bearer "},
        {"authorization": f"Bearer {ANNA}x"},
        {"x_api_key": ANNA[1:]},
        {"x_api_key": "\xff\xfe"},
        {"cookie": f"key={ANNA}"},
    ],
)
async def test_without_the_right_key_nothing_is_answered(headers: dict[str, str]) -> None:
    reply = await ask(ApiSettings(keys=KEYS), **headers)
    assert reply.status == 401
    assert reply.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "headers",
    [{"authorization": f"Bearer {ANNA}"}, {"x_api_key": ANNA}, {"authorization": f"bearer {ANNA}"}],
)
async def test_a_key_says_who_asks(headers: dict[str, str]) -> None:
    assert (await ask(ApiSettings(keys=KEYS), **headers)).text == "for anna"


async def test_without_keys_everybody_on_this_machine_is_one() -> None:
    assert (await ask(ApiSettings())).text == "for local"


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
async def test_health_checks_need_no_key(path: str) -> None:
    assert (await ask(ApiSettings(keys=KEYS), path)).status == 200


@pytest.mark.parametrize("path", ["/livez/", "//livez", "/livez/../v1/jobs", "/metrics", "/docs"])
async def test_nothing_else_is_open(path: str) -> None:
    assert (await ask(ApiSettings(keys=KEYS), path)).status == 401


async def test_guessing_keys_ends_soon_and_spares_nobody_else_the_check() -> None:
    settings = ApiSettings(keys=KEYS)
    gatekeeper = Gatekeeper(app, settings)
    replies = [
        await ask(settings, gatekeeper=gatekeeper, x_api_key="guess-0123456789") for _ in range(40)
    ]
    assert {reply.status for reply in replies} == {401, 429}
    assert sum(reply.status == 401 for reply in replies) < 25
    assert int(replies[-1].headers["retry-after"]) >= 1


async def test_too_many_requests_are_told_when_to_come_again() -> None:
    settings = ApiSettings(requests_per_second=1.0)
    gatekeeper = Gatekeeper(app, settings)
    replies = [await ask(settings, gatekeeper=gatekeeper) for _ in range(4)]
    assert [reply.status for reply in replies] == [200, 200, 429, 429]
    assert int(replies[-1].headers["retry-after"]) >= 1


async def test_a_body_that_is_too_large_is_a_problem_in_any_app() -> None:
    reply = await ask(ApiSettings(json_bytes=10), "/v1/ask", body=(b"x" * 8, b"x" * 8))
    assert (reply.status, reply.headers["content-type"]) == (413, "application/problem+json")


async def test_what_a_bug_says_is_shown_to_nobody(caplog: pytest.LogCaptureFixture) -> None:
    reply = await ask(ApiSettings(), "/broken")
    assert reply.status == 500
    assert "document" not in reply.text + caplog.text + repr(caplog.records[0].__dict__)


@pytest.mark.parametrize("headers", [{}, {"host": "evil.example"}, {"origin": "null"}])
async def test_every_reply_is_safe_in_a_browser(headers: dict[str, str]) -> None:
    reply = await ask(ApiSettings(), **headers)
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in reply.headers["content-security-policy"]
    assert not [name for name in reply.headers if name.startswith("access-control")]


async def test_a_refusal_is_a_problem_object() -> None:
    reply = await ask(ApiSettings(), host="evil.example")
    problem = json.loads(reply.text)
    assert reply.headers["content-type"] == "application/problem+json"
    assert (problem["status"], problem["title"]) == (421, "Misdirected Request")
    assert "--allow-host" in problem["remedy"]


async def test_a_web_socket_is_closed() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError

    await Gatekeeper(app, ApiSettings())({"type": "websocket"}, receive, send)
    assert sent == [{"type": "websocket.close", "code": 1008}]
