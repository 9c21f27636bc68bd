"""The directive ``public-names``: describes what the ``__all__`` of a public module lists.

The first argument is the module. Names may follow, so that a long module can be told in
sections; ``tests/docs`` checks that none is left out. Without them, all are described.
A name that the package also offers at the top is described there and only linked here.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Iterator
from types import ModuleType

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.errors import ExtensionError
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.docutils import SphinxDirective

TOP = "deepseek_ocr_rag"


class PublicNames(SphinxDirective):
    """Describes public names of one module."""

    required_arguments = 1
    optional_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        """Generate autodoc directives and parse them."""
        name = self.arguments[0]
        module = importlib.import_module(name)
        listed = list(module.__all__)
        wanted = self.arguments[1].split() if self.arguments[1:] else listed
        if unknown := set(wanted) - set(listed):
            raise ExtensionError(f"{self.get_location()}: {name} does not list {sorted(unknown)}")
        elsewhere = [each for each in wanted if at_the_top(name, module, each)]
        lines: list[str] = []
        if elsewhere:
            links = ", ".join(f":py:obj:`~{TOP}.{each}`" for each in elsewhere)
            lines += [f"Also importable from the package itself: {links}.", ""]
        for each in wanted:
            if each not in elsewhere:
                lines += directive(module, each)
        return self.parse_text_to_nodes("\n".join(lines))


def at_the_top(name: str, module: ModuleType, public: str) -> bool:
    """Whether the top of the package has the same object under the same name."""
    top = importlib.import_module(TOP)
    return name != TOP and public in top.__all__ and getattr(top, public) is getattr(module, public)


def directive(module: ModuleType, name: str) -> list[str]:
    """The reStructuredText that describes one name."""
    full = f"{module.__name__}.{name}"
    value = getattr(module, name)
    if inspect.isclass(value) and issubclass(value, BaseException):
        return [f".. autoexception:: {full}", "   :show-inheritance:", ""]
    if inspect.isclass(value):
        return [f".. autoclass:: {full}", "   :members:", ""]
    if inspect.isroutine(value):
        return [f".. autofunction:: {full}", ""]
    return [f".. py:data:: {full}", "", *(f"   {line}" for line in data_docstring(name, value)), ""]


def data_docstring(name: str, value: object) -> list[str]:
    """The text below an assignment, looked up where the value was defined."""
    for module in defining_modules(name, value):
        documented = ModuleAnalyzer.for_module(module.__name__).find_attr_docs()
        if ("", name) in documented:
            return documented["", name]
    if name == "__version__":
        return ["The version of this package."]
    raise ExtensionError(f"{name} is public and has no docstring")


def defining_modules(name: str, value: object) -> Iterator[ModuleType]:
    """Modules of ours that bind the name to the same value."""
    for module in list(sys.modules.values()):
        package = getattr(module, "__name__", "").partition(".")[0]
        ours = package in (TOP, "langchain_deepseek_ocr", "llama_index")
        if ours and vars(module).get(name) is value and getattr(module, "__file__", None):
            yield module


def import_all(app: Sphinx, config: Config) -> None:
    """Import what will be described before autodoc rewrites annotations of classes in place.

    pydantic could not build further models on them.
    """
    for name in config.public_modules:
        importlib.import_module(name)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_config_value("public_modules", [], "env", [list])
    app.connect("config-inited", import_all)
    app.add_directive("public-names", PublicNames)
    return {"parallel_read_safe": True}
