"""Finds what a docstring refers to by another path than the public one.

A docstring may say ``Backend`` or name the module in which a class is written; the reference
describes it under its public name. The last part of the path decides, if only one object of
ours has it, with its class for a method: ``Reader.open``.
"""

from __future__ import annotations

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.nodes import make_refnode


def find(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.TextElement
) -> nodes.reference | None:
    """Resolve a Python reference by its end."""
    if node.get("refdomain") != "py":
        return None
    parts = str(node["reftarget"]).lstrip("~.").split(".")
    objects = env.domains["py"].objects  # type: ignore[attr-defined]
    for length in (2, 1):
        # A bare name of a method could be anybody's.
        ending = ".".join(parts[-length:])
        if len(parts) < length or (length == 1 and not is_public(ending, node)):
            continue
        found = {
            (entry.docname, entry.node_id)
            for name, entry in objects.items()
            if name.endswith(f".{ending}") and not (length == 1 and entry.objtype == "method")
        }
        if len(found) == 1:
            ((docname, anchor),) = found
            return make_refnode(
                app.builder, node["refdoc"], docname, anchor, content, node["reftarget"]
            )
    return None


def is_public(name: str, node: pending_xref) -> bool:
    """Whether one part is enough: a class or constant, or a function that is called one."""
    return name[:1].isupper() or node.get("reftype") in ("func", "class", "exc", "data")


def setup(app: Sphinx) -> dict[str, bool]:
    """Listen for references that Sphinx does not resolve."""
    app.connect("missing-reference", find)
    return {"parallel_read_safe": True}
