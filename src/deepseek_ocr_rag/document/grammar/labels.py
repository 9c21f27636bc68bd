"""The labels that the DeepSeek-OCR models write."""

import re
from unicodedata import category

__all__ = ["LABELS", "may_be_label"]

_NAMES = """
    text title sub_title table table_caption table_footnote table_title image image_caption
    image_footnote figure figure_title figure_caption chart chart_title equation equation_number
    formula formula_number list list_item code code_caption algorithm header footer page_number
    page_header page_footer page_footnote reference references footnote caption abstract author
    aside_text seal stamp signature logo toc
"""
LABELS = frozenset(_NAMES.split())
"""Labels that were seen in output or are documented. Others are kept too; this list decides
whether the text of a doubtful tag is a label."""

_WORDS = re.compile(r"\w[\w -]{0,39}")


def may_be_label(text: str) -> bool:
    """Whether a text has the form of a label: a few short words, of any script."""
    # \w does not match the marks that some scripts write on their letters.
    if not text.isascii():
        text = "".join(sign for sign in text if category(sign)[0] != "M")
    return _WORDS.fullmatch(text) is not None
