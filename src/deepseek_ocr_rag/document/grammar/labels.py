"""The labels that this family of models writes."""

__all__ = ["LABELS"]

_NAMES = """
    text title sub_title table table_caption table_footnote table_title image image_caption
    image_footnote figure figure_title figure_caption chart chart_title equation equation_number
    formula formula_number list list_item code code_caption algorithm header footer page_number
    page_header page_footer page_footnote reference references footnote caption abstract author
    aside_text seal stamp signature logo toc
"""
LABELS = frozenset(_NAMES.split())
"""Labels that were seen or are documented for this family of models. Others are kept too;
this list decides whether the text of a doubtful tag is a label."""
