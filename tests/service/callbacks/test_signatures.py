"""Signatures of callbacks, against a library of the specification's authors."""

from __future__ import annotations

import base64
import time

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from deepseek_ocr_rag.errors import ConfigurationError
from deepseek_ocr_rag.service.callbacks.callback_settings import CallbackSettings
from deepseek_ocr_rag.service.callbacks.signatures import signed_headers, signing_key

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
BODY = '{"name": "ледник"}'.encode()


def test_the_library_of_standard_webhooks_accepts_what_was_signed() -> None:
    headers = signed_headers(signing_key(SECRET), "job_a", int(time.time()), BODY)
    assert Webhook(SECRET).verify(BODY, headers) == {"name": "ледник"}


@pytest.mark.parametrize("changed", ["webhook-id", "webhook-timestamp", "body", "secret"])
def test_whatever_was_changed_the_library_refuses_it(changed: str) -> None:
    now = int(time.time())
    headers = signed_headers(signing_key(SECRET), "job_a", now, BODY)
    headers |= {"webhook-id": "job_b"} if changed == "webhook-id" else {}
    headers |= {"webhook-timestamp": str(now + 1)} if changed == "webhook-timestamp" else {}
    body = BODY.replace(b"name", b"Name") if changed == "body" else BODY
    secret = SECRET.replace("A", "B") if changed == "secret" else SECRET
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(body, headers)


@pytest.mark.parametrize(
    "secret",
    [
        "", "whsec_", "geheim", SECRET.removeprefix("whsec_"), "whsec_" + "*" * 44,
        "whsec_" + base64.b64encode(b"x" * 23).decode(), "whsec_" + base64.b64encode(b"x" * 65).decode(),
        "whsec_ledník" + "A" * 40,
    ],
)  # fmt: skip
def test_a_secret_that_is_too_weak_or_malformed_is_refused_and_not_shown(secret: str) -> None:
    with pytest.raises(ConfigurationError, match="secret cannot be used") as error:
        CallbackSettings(secret=secret)
    if len(secret) > 8:
        assert secret not in str(error.value)


def test_the_command_in_the_remedy_makes_a_secret_that_can_be_used() -> None:
    import subprocess
    import sys

    with pytest.raises(ConfigurationError) as error:
        signing_key("x")
    code = str(error.value.remedy).split('python -c "')[1].rstrip('"')
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert len(signing_key(made.stdout.strip())) == 32
