"""Parsing of every form of text that the model really writes."""

from __future__ import annotations

import pytest
from tagged_text import BANNER, SAVED, STATISTICS, check_layout, grids, seen, tag

from deepseek_ocr_rag.document.grammar.parser import ParsedPage, parse_document, parse_page
from deepseek_ocr_rag.document.headings import with_sections

TABLE = "<table><tr><td>a</td><td>b</td></tr></table>"


# --- well-formed text --------------------------------------------------------------------


def test_blocks_are_joined_by_an_empty_line_without_trailing_spaces():
    page = parse_page(f"{tag('text')}\nOne  \n\n{tag('text')}\nTwo  \nthree \n\n")
    assert page.markdown == "One\n\nTwo\nthree"
    assert [block.span for block in page.blocks] == [(0, 3), (5, 14)]
    assert page.warnings == ()


def test_an_empty_line_inside_a_block_does_not_end_it():
    assert seen(parse_page(f"{tag('text')}\na\n\nb\n\n{tag('text')}\nc")) == [
        ("text", "a\n\nb"),
        ("text", "c"),
    ]


def test_one_tag_may_name_several_boxes():
    page = parse_page(tag("text", (66, 751, 492, 790), (502, 336, 931, 532)) + "\nx")
    assert grids(page) == [[(66, 751, 492, 790), (502, 336, 931, 532)]]


def test_spaces_around_label_and_list_do_not_matter():
    page = parse_page("<|ref|> text <|/ref|> <|det|> [[1, 2, 3, 4]] <|/det|>\nx")
    assert seen(page) == [("text", "x")]
    assert grids(page) == [[(1, 2, 3, 4)]]
    assert page.warnings == ()


@pytest.mark.parametrize(
    ("label", "written", "shown"),
    [
        ("title", "A", "# A"),
        ("sub_title", "A", "## A"),
        ("title", "#### 4.2 A", "#### 4.2 A"),
        ("sub_title", "# A\n## B", "# A\n## B"),
        ("sub_title", "A\nmore", "## A\nmore"),
        ("title", "#hashtag", "# #hashtag"),
        ("text", "# a comment", "# a comment"),
    ],
)
def test_headings_without_marks_get_them(label, written, shown):
    assert parse_page(f"{tag(label)}\n{written}").markdown == shown


def test_sections_come_from_the_number_of_marks():
    page = parse_page(
        "\n\n".join(
            f"{tag(label)}\n{text}"
            for label, text in [
                ("title", "A"),
                ("sub_title", "B"),
                ("text", "b"),
                ("sub_title", "### C"),
                ("text", "c"),
                ("sub_title", "## D"),
                ("text", "# no heading"),
                ("text", "d"),
                ("title", "E"),
            ]
        )
    )
    assert [block.section for block in page.blocks] == [
        (),
        ("A",),
        ("A", "B"),
        ("A", "B"),
        ("A", "B", "C"),
        ("A",),
        ("A", "D"),
        ("A", "D"),
        (),
    ]


def test_sections_are_carried_over_pages():
    first = parse_page(f"{tag('title')}\nA\n\n{tag('sub_title')}\nB")
    second = parse_page(f"{tag('text')}\nb\n\n{tag('sub_title')}\nC\n\n{tag('text')}\nc")
    _, headings = with_sections(first.blocks)
    blocks, headings = with_sections(second.blocks, headings)
    assert [block.section for block in blocks] == [("A", "B"), ("A",), ("A", "C")]
    assert headings == ((1, "A"), (2, "C"))
    assert [block.text for block in blocks] == [block.text for block in second.blocks]


def test_pictures_are_empty_blocks_between_their_neighbours():
    page = parse_page(f"{tag('text')}\na\n\n{tag('image')}\n \n\n{tag('text')}\nb")
    assert seen(page) == [("text", "a"), ("image", ""), ("text", "b")]
    assert [block.span for block in page.blocks] == [(0, 1), (1, 1), (3, 4)]


def test_text_under_a_picture_is_a_text_block_with_the_same_boxes():
    page = parse_page(f"{tag('image')}\nSTOP")
    assert seen(page) == [("image", ""), ("text", "STOP")]
    assert page.blocks[0].boxes == page.blocks[1].boxes


def test_the_centring_of_captions_is_removed():
    page = parse_page(f"{tag('image')}\n{tag('image_caption')}\n<center>Figure 1 </center>  \n")
    assert seen(page) == [("image", ""), ("image_caption", "Figure 1")]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("a &gt; 0, b > 0", "a > 0, b > 0"),
        ("t &amp;gt; 0", "t &gt; 0"),
        ("&lt;p&gt; &quot;x&quot; &#39;y&#39; a&nbsp;b", "<p> \"x\" 'y' a b"),
        ("AT&T &unknown; &#0; &#xD800; &#55296;", "AT&T &unknown; &#0; &#xD800; &#55296;"),
    ],
)
def test_entities_are_decoded_once(written, read):
    assert parse_page(f"{tag('text')}\n{written}").markdown == read


@pytest.mark.parametrize(
    "text",
    [
        "- a\n  - b\n1. c",
        "\\[ \\frac{a}{b} \\tag{1} \\]",
        "\\(f = (x+1)*2*x;\\)",
        "def f():\n    return 1  # **x**",
        "user- facing <|im_start|>system <|grounding|>",
        "la la la la la la la la",
    ],
)
def test_lists_formulas_code_loops_and_foreign_tokens_are_kept_as_written(text):
    assert parse_page(f"{tag('text')}\n{text}").markdown == text


def test_ocr2_titles_of_figures_keep_their_label():
    page = parse_page(
        f"{tag('image')}\n\n\n{tag('figure_title')}\nFigure 2\n\n{tag('table')}\n{TABLE}"
    )
    assert [kind for kind, _ in seen(page)] == ["image", "figure_title", "table"]


def test_tags_of_unlimited_ocr_are_read():
    page = parse_page(
        "<PAGE>\n<|det|>title [52, 40, 816, 63]<|/det|>Report\n"
        "<|det|>text [52, 80, 816, 99]<|/det|>First.\n<|det|>image [1, 2, 3, 4]<|/det|>"
    )
    assert seen(page) == [("title", "# Report"), ("text", "First."), ("image", "")]
    assert grids(page) == [[(52, 40, 816, 63)], [(52, 80, 816, 99)], [(1, 2, 3, 4)]]
    assert page.warnings == ()


@pytest.mark.parametrize(
    ("text", "blocks"),
    [
        # Content is on the tag's line; there may be nothing between two tags.
        ("chart [1, 2, 3, 4]<|/det|><|det|>image_caption [1, 2, 3, 4]<|/det|>Figure 3 | Time",
         [("chart", ""), ("image_caption", "Figure 3 | Time")]),
        ("chart [1, 2, 3, 4]<|/det|>Latency\n", [("chart", ""), ("text", "Latency")]),
        ("equation [1, 2, 3, 4]<|/det|>\\[\na = b\n\\]\n", [("equation", "\\[\na = b\n\\]")]),
        # The items of a list come before its tag, which has no text of its own.
        ("text [1, 2, 3, 4]<|/det|>- One\n<|det|>list [1, 2, 3, 9]<|/det|>\n",
         [("text", "- One"), ("list", "")]),
        ("page_footnote [1, 2, 3, 4]<|/det|>1 See below.\n<|det|>page_number [1,2,3,4]<|/det|>12",
         [("page_footnote", "1 See below."), ("page_number", "12")]),
        ("table [1, 2, 3, 4]<|/det|><table><tr><td>a</td></tr></table>\n",
         [("table", "| a |\n| --- |")]),
        ("text [1, 2, 3, 4], [5, 6, 7, 8]<|/det|>over two columns<｜end▁of▁sentence｜>",
         [("text", "over two columns")]),
    ],
)  # fmt: skip
def test_every_form_that_unlimited_ocr_writes_is_read(text, blocks):
    page = parse_page(f"<|det|>{text}")
    check_layout(page)
    assert seen(page) == blocks
    assert all(block.boxes for block in page.blocks)
    assert page.warnings == ()


def test_a_document_of_unlimited_ocr_is_cut_at_its_page_marks():
    document = parse_document(
        "<PAGE><|det|>title [118, 76, 705, 106]<|/det|>Report\n"
        "<|det|>text [116, 120, 588, 157]<|/det|>First.\n"
        "<PAGE><PAGE><|det|>text [117, 80, 497, 106]<|/det|>Third.\n\n"
    )
    assert [page.markdown for page in document] == ["# Report\n\nFirst.", "", "Third."]
    assert document.page(3).blocks[0].section == ("Report",)


@pytest.mark.parametrize(
    ("numbers", "grid"),
    [
        ("[52, 928, 965, 1006]", (52, 928, 965, 999)),
        ("[110, -1, 444, 43]", (110, 0, 444, 43)),
        ("[300, 280, 595, 275]", (300, 275, 595, 280)),
        ("[0, 0, 0, 0]", (0, 0, 0, 0)),
        ("[500.5, 339, 775, 411]", (500, 339, 775, 411)),
        (f"[0, 0, {'9' * 5000}, 999]", (0, 0, 999, 999)),
    ],
)
def test_impossible_coordinates_are_brought_onto_the_page(numbers, grid):
    assert grids(parse_page(f"<|ref|>text<|/ref|><|det|>[{numbers}]<|/det|>\nx")) == [[grid]]


# --- tables ------------------------------------------------------------------------------


def test_a_table_without_spans_becomes_a_github_table():
    block = parse_page(f"{tag('table')}\n\n{TABLE}").blocks[0]
    assert (block.kind, block.text) == ("table", "| a | b |\n| --- | --- |")
    assert block.html == TABLE


def test_a_table_with_spans_becomes_clean_html():
    raw = '<table border="1"><tr><td colspan="2">a & b</td></tr></table>'
    block = parse_page(f"{tag('table')}\n{raw}").blocks[0]
    assert block.text == '<table><tr><td colspan="2">a &amp; b</td></tr></table>'
    assert block.html == raw


@pytest.mark.parametrize(
    ("table_box", "caption_box", "kinds"),
    [
        ((70, 175, 930, 710), (72, 714, 364, 733), ["table", "table_caption"]),
        ((70, 175, 930, 710), (72, 150, 364, 170), ["table_caption", "table"]),
    ],
)
def test_html_under_the_caption_belongs_to_the_empty_table_tag(table_box, caption_box, kinds):
    page = parse_page(
        f"{tag('table', table_box)}\n{tag('table_caption', caption_box)}\n"
        f"Table 4.3: Input   \n\n{TABLE}\nafter\n\n{tag('text')}\nend"
    )
    blocks = {block.kind: block for block in page.blocks}
    assert [block.kind for block in page.blocks if block.kind != "text"] == kinds
    assert blocks["table_caption"].text == "Table 4.3: Input"
    assert blocks["table_caption"].boxes[0].to_grid() == caption_box
    assert blocks["table"].boxes[0].to_grid() == table_box
    assert "after" in page.markdown


def test_text_around_a_table_is_kept_with_its_box():
    page = parse_page(f"{tag('table')}\nabove\n{TABLE}\nbelow")
    assert [kind for kind, _ in seen(page)] == ["text", "table", "text"]
    assert [text for kind, text in seen(page) if kind == "text"] == ["above", "below"]
    assert len({block.boxes for block in page.blocks}) == 1


def test_several_tables_in_one_block_are_several_tables():
    page = parse_page(f"{tag('table')}\n{TABLE}<br><br>{TABLE}<br>&lt;fcel&gt;")
    assert [kind for kind, _ in seen(page)] == ["table", "table", "text"]
    assert "<fcel>" in page.blocks[2].text


def test_a_broken_tag_inside_a_table_does_not_end_it():
    page = parse_page(
        f"{tag('table')}\n<table><tr><td>Variante 0<|ref|>text</td><td>Variante 1</td></tr></table>"
    )
    assert page.blocks[0].table is not None
    assert page.blocks[0].table.to_rows() == (("Variante 0", "Variante 1"),)
    assert len(page.blocks) == 1


def test_a_table_that_was_cut_is_still_a_table():
    page = parse_page(f"{tag('table')}\n<table><tr><td>a</td><td>35.9 / 2")
    assert page.blocks[0].text == "| a | 35.9 / 2 |\n| --- | --- |"


# --- free Markdown -----------------------------------------------------------------------


def test_markdown_without_tags_is_cut_into_blocks():
    page = parse_page(
        f"# A\ntext\ngoes on\n\n## B\n\n{TABLE}\n\n\\[ x\n\n y \\]\n\n```\n\n&lt;\n```\n\n"
        "| a | b |\n|---|---|\n| 1 | 2 |\n\n- c\n- d"
    )
    check_layout(page)
    assert seen(page) == [
        ("title", "# A"),
        ("text", "text\ngoes on"),
        ("sub_title", "## B"),
        ("table", "| a | b |\n| --- | --- |"),
        ("equation", "\\[ x\n\n y \\]"),
        ("code", "```\n\n&lt;\n```"),
        ("table", "| a | b |\n|---|---|\n| 1 | 2 |"),
        ("text", "- c\n- d"),
    ]
    assert page.blocks[3].section == ("A", "B")
    assert all(block.boxes == () for block in page.blocks)


@pytest.mark.parametrize("text", ["", " \n\n", BANNER, BANNER + STATISTICS + SAVED])
def test_a_page_without_text_has_no_blocks(text):
    assert parse_page(text) == ParsedPage("", ())
