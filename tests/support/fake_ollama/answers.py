"""What both Ollamas have in common."""

from __future__ import annotations

import base64
import hashlib
import io
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from .connection import Connections, Json, Killed, Refusal, Request
from .models import FakeModel, Written, architecture_of, pieces

__all__ = ["OllamaFake"]

EQUAL_PARTS = 31
"""Line "The repeat limit": this many equal parts, trimmed, and the reply ends."""

PICTURE_TOKENS = 903
"""Line "Prompt, an A4 page". Other sizes were not written down: here all pictures are A4 pages."""

PROMPT_TOKENS = {"<|grounding|>Convert the document to markdown.": 8}
"""The same line: 912 = 903 + the begin token + 8."""

DEFAULT_CONTEXT = 4096
"""Line "Chat": what /api/ps says where nothing was asked for."""

EMBEDDING = 384
WHEN = "2026-01-01T00:00:00Z"


class OllamaFake:
    """What both have in common; a context.

    Args:
        folder: For the blobs that clients store.
        models: What is installed.

    Attributes:
        url: Its address.
        received: Path and body of every request, in their order; blobs without their bytes.
        models: By name with tag; ``/api/create`` adds to it.
        stopped: How many replies ended because the client had gone away.
    """

    version = ""
    shows_missing_tag = False

    def __init__(self, folder: Path, *models: FakeModel) -> None:
        self.folder = folder
        self.models = {model.name: model for model in models}
        self.received: list[tuple[str, Json]] = []
        self.stopped = 0
        self._loaded: dict[str, int] = {}
        self._lock = threading.Lock()
        self._server = Connections(self)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def __enter__(self) -> OllamaFake:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def asked(self, path: str) -> list[Json]:
        """The bodies of the requests for a path."""
        return [body for at, body in self.received if at == path]

    # --- what the two do differently -------------------------------------------------------

    def hidden(self, model: FakeModel) -> frozenset[str]:
        """Tokens that are counted and never sent."""
        raise NotImplementedError

    def added_to_prompt(self) -> int:
        """Tokens that it puts into the prompt of a page by itself."""
        raise NotImplementedError

    def refuse_pictures(self) -> None:
        """What a model without vision says to ``images``: it raises, or nothing happens."""
        raise NotImplementedError

    def no_picture(self) -> Refusal:
        """What is said to ``images`` that are none."""
        raise NotImplementedError

    def cannot_load(self, words: str) -> Refusal:
        """What is said where the model cannot be loaded."""
        raise NotImplementedError

    def listed_capabilities(self) -> Json:
        """What an entry of ``/api/tags`` says about capabilities."""
        raise NotImplementedError

    # --- answers ---------------------------------------------------------------------------

    def find(self, path: str, body: Json) -> FakeModel:
        asked = str(body.get("model") or body.get("name") or "")
        full = asked if ":" in asked.rpartition("/")[2] else f"{asked}:latest"
        if full not in self.models:
            # Line "a model that is not there".
            shown = full if path == "/api/show" and self.shows_missing_tag else asked
            raise Refusal(404, f"model '{shown}' not found")
        return self.models[full]

    def tags(self) -> Json:
        """Line "GET /api/tags"."""
        return {
            "models": [
                {
                    "name": model.name,
                    "model": model.name,
                    "modified_at": WHEN,
                    "size": model.file.stat().st_size if model.file else 0,
                    "digest": hashlib.sha256(model.name.encode()).hexdigest(),
                    "details": _details(model),
                    **self.listed_capabilities(),
                }
                for model in self.models.values()
            ]
        }

    def show(self, model: FakeModel) -> Json:
        """Line "POST /api/show"."""
        lines = [f"FROM {model.file}", f'TEMPLATE """{model.template}"""']
        lines += [f"PARAMETER {name} {value}" for name, value in model.parameters.items()]
        return {
            "modelfile": "\n".join(lines) + "\n",
            "parameters": "\n".join(f"{n} {v}" for n, v in model.parameters.items()),
            "template": model.template,
            "details": _details(model),
            "model_info": {
                "general.architecture": model.architecture,
                f"{model.architecture}.context_length": model.context,
            },
            "capabilities": list(model.capabilities),
        }

    def running(self) -> Json:
        """Line "Chat": /api/ps has ``context_length`` of what is loaded."""
        loaded = self._loaded.items()
        return {"models": [{"name": n, "model": n, "context_length": size} for n, size in loaded]}

    def check(self, request: Request) -> None:
        """Refuse what the model cannot do.

        Raises:
            Refusal: With the words that were seen.
        """
        model, body = request.model, request.body
        name = model.name.removesuffix(":latest")
        able = model.capabilities
        if "completion" not in able:
            # Line "embedding model".
            verb = "chat" if request.path == "/api/chat" else "generate"
            raise Refusal(400, f'"{name}" does not support {verb}')
        if body.get("tools") and "tools" not in able:
            raise Refusal(400, f"registry.ollama.ai/library/{name} does not support tools")
        if body.get("think") and "thinking" not in able:
            raise Refusal(400, f'"{name}" does not support thinking')
        if model.refusal:
            raise self.cannot_load(model.refusal)
        if images := _images(body):
            if "vision" not in able:
                self.refuse_pictures()
            elif not all(map(_is_picture, images)):
                raise self.no_picture()

    def prompt_tokens(self, request: Request) -> int:
        """Line "Prompt, an A4 page"."""
        prompt = str(request.body.get("prompt", ""))
        words = prompt.strip()
        count = PROMPT_TOKENS.get(words, len(list(pieces(Written(words)))))
        count += prompt.startswith("\n")
        sees = bool(_images(request.body)) and "vision" in request.model.capabilities
        return 1 + count + (PICTURE_TOKENS + self.added_to_prompt() if sees else 0)

    def parts(self, request: Request) -> Iterator[Json]:
        """The reply, a part a token; without a last part where the repeat limit ends it."""
        model, body = request.model, request.body
        options = body.get("options") or {}
        self._loaded[model.name] = int(options.get("num_ctx") or DEFAULT_CONTEXT)
        limit = int(options.get("num_predict") or -1)
        written = model.answers(body)
        hidden = self.hidden(model)
        recent: deque[str] = deque(maxlen=EQUAL_PARTS)
        count = 0
        for kind, piece in self._tokens(request, written):
            if count == limit:
                yield self._last(request, "length", count)
                return
            if written.dies_after == count:
                # Line "the runner killed in mid-reply": an end of the stream.
                return
            if written.torn_after == count:
                # Not in the file: how HTTP looks where the server is killed in mid-reply.
                raise Killed
            if written.error_after == count:
                # Not in the file: the form in which the client library reads it.
                yield {"error": "an error was encountered while running the model"}
                return
            count += 1
            if piece in hidden:
                continue
            time.sleep(written.pause)
            yield self._part(request, kind, piece)
            recent.append(piece.strip())
            if len(recent) == EQUAL_PARTS and len(set(recent)) == 1:
                return
        # Line "A page, streamed": the end token counts.
        yield self._last(request, "stop", count + 1)

    def _tokens(self, request: Request, written: Written) -> Iterator[tuple[str, str]]:
        # Line "Chat": left out, a thinking model thinks; what it thinks counts. That "think: false"
        # turns it off was seen with ``.Think`` in the template; nothing else could.
        model = request.model
        told_not_to = request.body.get("think") is False and model.obeys_think
        if "thinking" in model.capabilities and not told_not_to:
            yield from (("thinking", piece) for piece in pieces(Written(written.thinking)))
        yield from (("content", piece) for piece in pieces(written))

    def _part(self, request: Request, kind: str, piece: str) -> Json:
        head = {"model": request.model.name, "created_at": WHEN}
        thinking = {"thinking": piece} if kind == "thinking" else {}
        content = "" if thinking else piece
        if request.path == "/api/chat":
            message = {"role": "assistant", "content": content, **thinking}
            return {**head, "message": message, "done": False}
        return {**head, "response": content, **thinking, "done": False}

    def _last(self, request: Request, reason: str, count: int) -> Json:
        """Line "A page, streamed"."""
        return {
            **self._part(request, "content", ""),
            "done": True,
            "done_reason": reason,
            **({} if request.path == "/api/chat" else {"context": [0]}),
            "total_duration": 1,
            "load_duration": 1,
            "prompt_eval_count": self.prompt_tokens(request),
            "prompt_eval_duration": 1,
            "eval_count": count,
            "eval_duration": 1,
        }

    def embed(self, request: Request) -> Json:
        """Equal texts get equal vectors; the file has only that embeddings work."""
        if "embedding" not in request.model.capabilities:
            # Not in the file.
            raise Refusal(501, "this model does not support embeddings")
        given = request.body.get("input", [])
        texts = [given] if isinstance(given, str) else given
        return {"model": request.model.name, "embeddings": [_vector(text) for text in texts]}

    def blob(self, digest: str) -> Path:
        return self.folder / digest.replace(":", "-")

    def store(self, digest: str, data: bytes) -> int:
        """Line "Storing a model": 201 for a new one, 200 for one that is known."""
        if f"sha256:{hashlib.sha256(data).hexdigest()}" != digest:
            # Not in the file: the digest is that of the bytes.
            raise Refusal(400, "digest mismatch")
        known = self.blob(digest).exists()
        self.blob(digest).write_bytes(data)
        return 200 if known else 201

    def create(self, body: Json) -> Json:
        """Line "Storing a model"; the model then hides what its file says."""
        (digest,) = body["files"].values()
        file = self.blob(digest)
        if not file.exists():
            # Not in the file.
            raise Refusal(400, f"blob {digest} not found")
        name = str(body["model"])
        name = name if ":" in name else f"{name}:latest"
        architecture = architecture_of(file)
        with self._lock:
            alike = (m for m in self.models.values() if m.architecture == architecture)
            source = next(alike, FakeModel(name, file, lambda body: Written("")))
            self.models[name] = replace(
                source,
                name=name,
                file=file,
                template=body.get("template", ""),
                parameters=body.get("parameters", {}),
            )
        return {"status": "success"}


def _details(model: FakeModel) -> Json:
    return {
        "parent_model": "",
        "format": "gguf",
        "family": model.architecture,
        "families": [model.architecture],
        "parameter_size": "3.3B",
        "quantization_level": "F16",
    }


def _images(body: Json) -> list[str]:
    """Of the request itself and of its messages."""
    messages = body.get("messages") or []
    return [*(body.get("images") or []), *(i for m in messages for i in m.get("images") or [])]


def _is_picture(text: str) -> bool:
    try:
        with Image.open(io.BytesIO(base64.b64decode(text))) as image:
            image.load()
    except (UnidentifiedImageError, OSError, ValueError):
        return False
    return True


def _vector(text: str) -> list[float]:
    digest = hashlib.shake_128(text.encode()).digest(EMBEDDING)
    length = sum((value - 127.5) ** 2 for value in digest) ** 0.5
    return [(value - 127.5) / length for value in digest]
