"""Writes a checkpoint in the published layout that answers known prompts with known texts.

Whatever the picture shows, the model writes the text that the script has for the prompt,
special tokens included; after any other prompt it ends at once. So every engine that reads
the published layout can be held to the same Markdown, boxes and finish reasons.

How it works, ``Sizes.seen`` being n:

* Every token of the script has a code, a unit vector; all other tokens share one. The picture
  is projected to zeros.
* Layer 0, attention: head d looks exactly d tokens back. Its queries and keys are constants
  that the rotary embedding turns into a peak at distance d; its values are codes. A token's
  state then holds the codes of the last n tokens.
* Layer 0, MLP: a neuron for each context of n tokens (less at the head of a prompt) that the
  script has, which fires where all its tokens match and writes the code of the next token.
* Layer 1, the first with experts, adds nothing. The output layer compares with all codes.

The shape of the network is the published one, the sizes are not; ``PUBLISHED`` gives the
picture encoder and the hidden state theirs (1.5 GB), for engines that have them built in.

    python tests/support/scripted_checkpoint.py FOLDER SCRIPT.json [--published-sizes]

where the file holds ``[{"prompt": "...", "text": "...", "end": true, "loop": ""}]``.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file
from scripted_network import PUBLISHED, SMALL, Array, Sizes, global_layers, vision_tensors
from tokenizers import Tokenizer

__all__ = [
    "PUBLISHED",
    "SMALL",
    "Scripted",
    "Sizes",
    "published_config",
    "published_files",
    "write_checkpoint",
]

Contexts = dict[tuple[int, ...], int]

VOCABULARY = 129280
END = 1
IMAGE = 128815
ROPE_THETA = 10000.0

ALIKE = 0.65
"""The most that the codes of two tokens have in common."""

THRESHOLD = 0.2
"""By how much the tokens of a context may fail to match: less than by what two codes differ."""

SHARPNESS = 14.0
"""Size of queries and keys: the next best distance then gets less than e**-20 of the attention."""

DECISION = 100.0
"""Size of a neuron's input for one token: a match fires by 20, one other token stops it by 15."""

LOUDNESS = 10.0
"""Size of the output layer's rows: far more than any temperature of ours can blur."""

FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")
PROCESSOR = "processor_config.json"


@dataclass(frozen=True, slots=True)
class Scripted:
    """What the model writes for one prompt.

    Attributes:
        prompt: Without picture and outer white space, as :class:`~deepseek_ocr_rag.prompts.Task`
            has it.
        text: What it writes.
        end: Whether the end token follows.
        loop: What it then writes for ever, in place of an end.
    """

    prompt: str
    text: str
    end: bool = True
    loop: str = ""


def published_files() -> Path | None:
    """The folder of the published configuration and tokenizer, beside the checkout, if it is there."""
    folder = Path(__file__).resolve().parents[3] / "shared" / "deepseek-ocr-files"
    return folder if (folder / "tokenizer.json").is_file() else None


def write_checkpoint(
    folder: Path, script: Sequence[Scripted], files: Path, *, sizes: Sizes = SMALL
) -> Path:
    """Write the model.

    Args:
        folder: Where; made if it is not there.
        script: What it writes after which prompt.
        files: See :func:`published_files`.
        sizes: Of the network.

    Returns:
        The folder.

    Raises:
        ValueError: If the last tokens do not tell what follows, in a text or between two.
    """
    tokenizer = Tokenizer.from_file(str(files / "tokenizer.json"))
    contexts = _contexts(script, tokenizer, sizes.seen)
    width = -(-len(contexts) // 64) * 64
    dice = np.random.default_rng(0)
    tensors = {
        **vision_tensors(sizes, dice),
        **_language(contexts, sizes, width, dice),
    }
    folder.mkdir(parents=True, exist_ok=True)
    halves = {
        name: np.ascontiguousarray(value, dtype=np.float16) for name, value in tensors.items()
    }
    save_file(halves, str(folder / "model.safetensors"), {"format": "pt"})
    config = published_config(files, sizes, width)
    (folder / "config.json").write_text(json.dumps(config, indent=1), encoding="utf-8")
    for name in (*FILES, PROCESSOR):
        shutil.copyfile(files / name, folder / name)
    return folder


def _contexts(script: Iterable[Scripted], tokenizer: Tokenizer, seen: int) -> Contexts:
    """The next token for each run of at most ``seen`` tokens."""

    def ids(text: str) -> list[int]:
        return list(tokenizer.encode(text, add_special_tokens=False).ids)

    following: Contexts = {}
    texts: list[tuple[int, list[int]]] = []
    for part in script:
        prompt, loop = ids(part.prompt), ids(part.loop)
        tokens = [*prompt, *ids(part.text)]
        if loop:
            # Until no new context comes.
            tokens += loop * (2 + seen // len(loop))
        elif part.end:
            tokens.append(END)
        texts.append((len(prompt), tokens))
        for at in range(len(prompt), len(tokens)):
            following.setdefault(tuple(tokens[max(0, at - seen) : at]), tokens[at])
    for start, tokens in texts:
        for at in range(start, len(tokens)):
            # A short context, of the head of a prompt, may be the end of a longer one.
            ends = (tuple(tokens[at - back : at]) for back in range(1, min(seen, at) + 1))
            other = {following[end] for end in ends if end in following} - {tokens[at]}
            if other:
                before = tokenizer.decode(tokens[max(0, at - seen) : at], skip_special_tokens=False)
                asked, found = (
                    tokenizer.decode([token], skip_special_tokens=False)
                    for token in (tokens[at], other.pop())
                )
                raise ValueError(f"after {before!r} the script wants {asked!r} and {found!r}")
    return following


def _codes(contexts: Contexts, size: int, dice: np.random.Generator) -> Array:
    """A unit vector for every token; those of the script differ, the others share one."""
    used = sorted({token for context in contexts for token in context} | {END, *contexts.values()})
    # The last is the one that all others share.
    found = np.empty((len(used) + 1, size))
    count = 0
    while count < len(found):
        for vector in dice.standard_normal((256, size)):
            unit = vector / np.linalg.norm(vector)
            if count < len(found) and (found[:count] @ unit).max(initial=0) < ALIKE:
                found[count] = unit
                count += 1
    codes = np.tile(found[-1], (VOCABULARY, 1))
    codes[used] = found[:-1]
    return codes


def _language(
    contexts: Contexts, sizes: Sizes, width: int, dice: np.random.Generator
) -> dict[str, Array]:
    """The language model's tensors; ``width`` is that of layer 0's MLP."""
    hidden = sizes.hidden
    codes = _codes(contexts, sizes.code, dice)
    embedding = np.zeros((VOCABULARY, hidden), np.float16)
    embedding[:, : sizes.code], embedding[:, sizes.constant] = codes, 1
    embedding[IMAGE] = 0
    head = np.zeros((VOCABULARY, hidden), np.float16)
    used = sorted({END, *contexts.values()})
    head[used, sizes.written] = LOUDNESS * codes[used]
    # Where no neuron fires, this is all that is left.
    head[END, sizes.constant] = LOUDNESS
    tensors: dict[str, Array] = {
        "model.embed_tokens.weight": embedding,
        "lm_head.weight": head,
        "model.norm.weight": np.ones(hidden),
    }
    for layer in range(2):
        name = f"model.layers.{layer}"
        for norm in ("input_layernorm", "post_attention_layernorm"):
            tensors[f"{name}.{norm}.weight"] = np.ones(hidden)
        for letter in "qkvo":
            tensors[f"{name}.self_attn.{letter}_proj.weight"] = np.zeros((hidden, hidden))
    _look_back(tensors, sizes)
    _decide(tensors, contexts, codes, sizes, width)
    tensors["model.layers.1.mlp.gate.weight"] = 0.02 * dice.standard_normal((sizes.experts, hidden))
    experts = [(f"experts.{number}", sizes.expert) for number in range(sizes.experts)]
    for expert, wide in (*experts, ("shared_experts", 2 * sizes.expert)):
        for letter, shape in _mlp_shapes(hidden, wide):
            tensors[f"model.layers.1.mlp.{expert}.{letter}_proj.weight"] = np.zeros(shape)
    return tensors


def _look_back(tensors: Mapping[str, Array], sizes: Sizes) -> None:
    """Fill layer 0's attention: head d - 1 copies the code of the token d places back."""
    query, key, value, output = (
        tensors[f"model.layers.0.self_attn.{letter}_proj.weight"] for letter in "qkvo"
    )
    half = sizes.head // 2
    turns = ROPE_THETA ** (-np.arange(half) / half)
    # A token of text is its code and the constant, both of length 1, before the norm.
    one = np.sqrt(sizes.hidden / 2)
    numbers = np.arange(sizes.code)
    for back in range(1, sizes.seen):
        first = (back - 1) * sizes.head
        query[first : first + half, sizes.constant] = SHARPNESS / one
        key[first : first + half, sizes.constant] = SHARPNESS / one * np.cos(turns * back)
        key[first + half : first + 2 * half, sizes.constant] = (
            SHARPNESS / one * np.sin(turns * back)
        )
        value[first + numbers, numbers] = 1 / one
        output[back * sizes.code + numbers, first + numbers] = 1


def _decide(
    tensors: dict[str, Array], contexts: Contexts, codes: Array, sizes: Sizes, width: int
) -> None:
    """Add layer 0's MLP: one neuron for each context."""
    gate, up, down = (np.zeros(shape) for _, shape in _mlp_shapes(sizes.hidden, width))
    # The state is the codes of all seen tokens and the constant, each of length 1.
    one = np.sqrt(sizes.hidden / (sizes.seen + 1))
    for neuron, (context, following) in enumerate(contexts.items()):
        for back, token in enumerate(reversed(context)):
            columns = slice(back * sizes.code, (back + 1) * sizes.code)
            gate[neuron, columns] = DECISION / one * codes[token]
        gate[neuron, sizes.constant] = -DECISION / one * (len(context) - THRESHOLD)
        up[neuron, sizes.constant] = 1 / one
        down[sizes.written, neuron] = codes[following]
    for letter, matrix in (("gate", gate), ("up", up), ("down", down)):
        tensors[f"model.layers.0.mlp.{letter}_proj.weight"] = matrix


def _mlp_shapes(hidden: int, width: int) -> tuple[tuple[str, tuple[int, int]], ...]:
    return (("gate", (width, hidden)), ("up", (width, hidden)), ("down", (hidden, width)))


def published_config(files: Path, sizes: Sizes, width: int) -> dict[str, Any]:
    """The published configuration with these sizes; ``width`` is that of layer 0's MLP."""
    published: dict[str, Any] = json.loads((files / "config.json").read_text(encoding="utf-8"))
    language = {
        "hidden_size": sizes.hidden,
        "intermediate_size": width,
        "max_position_embeddings": sizes.positions,
        "moe_intermediate_size": sizes.expert,
        "n_routed_experts": sizes.experts,
        "n_shared_experts": 2,
        "num_attention_heads": sizes.heads,
        "num_experts_per_tok": 2,
        "num_hidden_layers": 2,
        "num_key_value_heads": sizes.heads,
    }
    clip = sizes.downsampled[1]
    towers = published["vision_config"]["width"]
    towers["clip-l-14-224"] |= {
        "heads": sizes.clip_heads,
        "layers": sizes.clip_layers,
        "width": clip,
        "mlp_width": 4 * clip,
    }
    towers["sam_vit_b"] |= {
        "downsample_channels": list(sizes.downsampled),
        "global_attn_indexes": global_layers(sizes),
        "heads": sizes.sam_heads,
        "layers": sizes.sam_layers,
        "width": sizes.sam,
        "output_channels": sizes.neck,
    }
    published["projector_config"] |= {"input_dim": 2 * clip, "n_embed": sizes.hidden}
    published["language_config"] |= {**language, "torch_dtype": "float16"}
    top = {key: value for key, value in language.items() if key in published}
    return published | top | {"torch_dtype": "float16"}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("script", type=Path)
    parser.add_argument("--published-sizes", action="store_true")
    arguments = parser.parse_args()
    files = published_files()
    if files is None:
        parser.error("there is no ../shared/deepseek-ocr-files beside the checkout")
    script = [Scripted(**part) for part in json.loads(arguments.script.read_text("utf-8"))]
    sizes = PUBLISHED if arguments.published_sizes else SMALL
    write_checkpoint(arguments.folder, script, files, sizes=sizes)
    size = sum(file.stat().st_size for file in arguments.folder.iterdir())
    print(f"{arguments.folder}: {size / 1e6:.0f} MB, {len(script)} prompts")


if __name__ == "__main__":
    main()
