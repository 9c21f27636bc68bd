"""Texts of pages to learn from."""

PROMPT = "<|grounding|>Convert the document to markdown."
ANSWERS = [
    "<|ref|>text<|/ref|><|det|>[[10, 20, 300, 40]]<|/det|>\nRevenue rose.",
    "<|ref|>title<|/ref|><|det|>[[0, 0, 999, 99]]<|/det|>\n# Costs",
]
