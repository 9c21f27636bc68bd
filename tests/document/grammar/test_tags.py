"""Broken tags in every form that was seen: text is kept, and the rest recovered if possible."""

from __future__ import annotations

import time

import pytest
from tagged_text import check_layout, grids, seen, tag

from deepseek_ocr_rag.document.grammar.parser import parse_page


@pytest.mark.parametrize(
    ("text", "kind", "body", "boxes"),
    [
        ("<|ref|>equation<|/ref|><|det|>[0.5ex] \n\\[", "equation", "[0.5ex]\n\\[", []),
        ("<|ref|>text<|/ref|><|det|>[[118, algemeine", "text", "[[118, algemeine", []),
        ("<|ref|>equation\n\\[I = 1\\]", "equation", "\\[I = 1\\]", []),
        ("<|ref|>text</td>x", "text", "</td>x", []),
        ("<|ref|>text<|/ref|>成为 17", "text", "成为 17", []),
        ("<|ref|>text<|/ref|>大为<|/ref|><|det|>[[1, 2, 3, 4]]<|/det|>\nb", "text", "大为\nb", 1),
        ("<|ref|>text<|/ref|>s<|det|>[[1, 2, 3, 4]]<|/det|>\nb", "text", "s\nb", 1),
        ("<|ref|>text<|/ref|><|det|>[[0, 0, 997, 0]]", "text", "", [(0, 0, 997, 0)]),
        ("<|ref|>text<|/ref|><|det|>[[1, 2, 3, 4]]\nb", "text", "b", 1),
        ("<|ref|>text<|/ref|><|/det|>\nb", "text", "b", []),
        ("<|ref|>equation<|ref|>text<|/ref|><|det|>[[1, 2, 3, 4]]<|/det|>\nb", "text", "b", 1),
        ("<|ref|>text<|det|>[[1, 2, 3, 4]]<|/det|>\nb", "text", "b", 1),
        ("<|det|>[[1, 2, 3, 4]]<|/det|>\nb", "", "b", 1),
        ("<|ref|>this month the model\nsaid", "text", "this month the model\nsaid", []),
        ("a<|/ref|>b", "text", "a b", []),
        ("<|ref|>text<|/ref|><|det|>hello<|/det|>\nb", "text", "hello\nb", []),
        ("<|det|>text [1, 2, 3, 4]\nb", "text", "b", 1),
        ("<|det|>text [1, 2, 3, 4] a<|/det|>b", "text", "a b", 1),
    ],
)
def test_a_broken_tag_gives_what_can_be_recovered(text, kind, body, boxes):
    page = parse_page(text)
    check_layout(page)
    assert len(page.blocks) == 1
    block = page.blocks[0]
    assert block.text == body
    assert [box.to_grid() for box in block.boxes] == ([(1, 2, 3, 4)] if boxes == 1 else boxes)
    assert block.kind == kind
    assert any("broken tag" in warning for warning in page.warnings)


@pytest.mark.parametrize(
    "text",
    [
        "<|ref|>equation",
        "<|ref|>equation<|/ref|>",
        "<|ref|>equation<|/ref|><|det|>[[114",
        "<|ref|>",
        "<|det|>[[114, 3",
        "<|det|>image_cap",
        "<|det|>image_caption ",
        "<|det|>image_caption [603, 12",
        "<|det|>text [603, 12\n===============save results:===============\n",
    ],
)
def test_a_tag_cut_off_before_its_boxes_gives_no_block(text):
    whole = f"{tag('text')}\nkept\n\n"
    page = parse_page(whole + text)
    assert seen(page) == [("text", "kept")]
    assert page.warnings


@pytest.mark.parametrize(
    ("numbers", "grid"),
    [
        ("[[114 821, 880, 873]]", [(114, 821, 880, 873)]),
        ("[[144, clef 0, 848, 0]]", [(144, 0, 848, 0)]),
        ("[[115,配 0, 875, 0]]", [(115, 0, 875, 0)]),
        ("[[150,, 884, 884, 901]]", [(150, 884, 884, 901)]),
        ("[[144, - 383, 896, 398]]", [(144, 383, 896, 398)]),
        ("[[3480: 400, 978, 400]]", [(978, 400, 999, 400)]),
        ("[150, 312, 799, 397]]", [(150, 312, 799, 397)]),
        ("[[44, raw 666]]", []),
        ("[[1, 2, 3, 4, 5]]", []),
        ("[[١, ٢, ٣, ٤]]", []),
    ],
)
def test_dirty_box_lists_give_boxes_only_where_the_numbers_are_clear(numbers, grid):
    page = parse_page(f"<|ref|>text<|/ref|><|det|>{numbers}<|/det|>\nb")
    assert grids(page) == [grid]
    assert seen(page) == [("text", "b")]
    assert bool(page.warnings) == (not grid)


def test_a_long_text_instead_of_a_box_list_is_kept():
    sentence = "[[12, 34 which is a sentence and no list of coordinates]]"
    page = parse_page(f"<|ref|>text<|/ref|><|det|>{sentence}<|/det|>\nb")
    assert page.markdown == f"{sentence}\nb"


def test_unknown_labels_are_kept_as_kinds():
    page = parse_page(f"{tag('equation group')}\n\\[a\\]\n\n{tag('text')}\nb")
    assert seen(page) == [("equation group", "\\[a\\]"), ("text", "b")]


def test_a_label_that_is_a_sentence_is_text():
    page = parse_page(f"{tag('text')}\na\n\n{tag('Really, is it?')}\n\n{tag('text')}\nb")
    assert seen(page) == [("text", "a"), ("text", "Really, is it?"), ("text", "b")]


@pytest.mark.parametrize(
    ("unknown", "expected"),
    [
        (tag("page_break"), ("page_break", "")),
        (tag("Total 12"), ("text", "Total 12")),
        ("<|ref|>total<|/ref|>", ("text", "total")),
    ],
)
def test_an_unknown_label_without_text_is_text_unless_it_names_a_place(unknown, expected):
    page = parse_page(f"{tag('text')}\na\n\n{unknown}\n\n{tag('text')}\nb")
    assert seen(page) == [("text", "a"), expected, ("text", "b")]


@pytest.mark.parametrize(
    ("text", "origins"),
    [
        ("<|ref|>text<|/ref|><|det|>[[1, 2, 3, 4]]<|/det|>\nbody", ["\nbody"]),
        ("<|ref|>image<|/ref|><|det|>[[1, 2, 3, 4]]<|/det|>\n",
         ["<|ref|>image<|/ref|><|det|>[[1, 2, 3, 4]]<|/det|>"]),
        ("<|det|>text [1, 2, 3, 4]<|/det|>body\n", ["body\n"]),
        ("loose<|ref|>text<|/ref|><|det|>[[1, 2, 3, 4]]<|/det|>body", ["loose", "body"]),
        # Of a broken tag, what is text counts, and with it the markers beside that text.
        ("<|ref|>equation\n\\[I = 1\\]", ["\n\\[I = 1\\]"]),
        ("<|ref|>text<|/ref|><|det|>[[1, 2, 3, 4]]\nbody", ["\nbody"]),
        ("<|det|>text [1, 2, 3, 4]\nbody", ["\nbody"]),
        ("<|ref|>text<|/ref|>s<|det|>[[1, 2, 3, 4]]<|/det|>b",
         ["s<|det|>[[1, 2, 3, 4]]<|/det|>b"]),
        ("<|ref|>text<|/ref|><|det|>hello<|/det|>b", ["hello<|/det|>b"]),
        ("<|det|>text [1, 2, 3, 4] a<|/det|>b", ["text [1, 2, 3, 4] a<|/det|>b"]),
        ("a<|/ref|>b", ["a<|/ref|>b"]),
        ("<|ref|>equation<|ref|>text<|/ref|><|det|>[[1, 2, 3, 4]]<|/det|>b", ["b"]),
    ],
)  # fmt: skip
def test_every_block_knows_where_it_stood(text, origins):
    page = parse_page(text)
    assert [text[start:end] for start, end in page.origins] == origins


def test_labels_are_lines_where_nothing_else_is_there():
    page = parse_page("\n".join(map(tag, ["Total", "text", "12.50 €", "[AI models] don't"])))
    assert seen(page) == [("text", t) for t in ["Total", "text", "12.50 €", "[AI models] don't"]]


def test_a_table_in_capitals_is_a_table():
    page = parse_page(f"{tag('table')}\n<TABLE><TR><TD>a</TD><td>b</td></TR></TABLE>")
    (block,) = page.blocks
    assert (block.kind, block.text) == ("table", "| a | b |\n| --- | --- |")
    assert block.table is not None


# --- what is left of broken box lists ----------------------------------------------------------

FRAGMENTS = [
    "[][]", "[]", "[[]]", "[[", "]]", "[0.5, 0.5]", "((1, 897, 528, 925]]", "(1, 897, 528, 925)", "{1, 2, 3, 4}",
    "[[1, 897, 528", "[1, 897, 528, 925]]", "1, 897, 528, 925]]", "[[1, 897], [528, 925]]", "[[1, 897, 528, 925]],",
    "[[114, (0, 0, 0, 0, 0, 0, 0, 0))", "[[1 897 528 925]", "[-1, 2]",
]  # fmt: skip
NEXT = f"\n\n{tag('text')}\nNext"


@pytest.mark.parametrize("fragment", FRAGMENTS)
@pytest.mark.parametrize(
    "broken",
    [
        "<|ref|>text<|/ref|><|det|>{}<|/det|>\nBody",
        "<|ref|>text<|/ref|><|det|>{}\nBody",
        # As in a real output: the mark before the list is missing.
        "<|ref|>text<|/ref|>{}<|/det|>\nBody",
        "<|ref|>text<|/ref|>{}\nBody",
        "<|ref|>text<|det|>{}<|/det|>\nBody",
        "<|ref|>text{}<|/det|>\nBody",
        "<|ref|>text<|/ref|>{}<|det|>[[1, 2, 3, 4]]<|/det|>\nBody",
        "<|ref|>text<|/ref|><|det|>[[1, 2, 3, 4]]<|/det|>{}\nBody",
        "<|ref|>text<|/ref|><|det|>[[1, 2, 3, 4]]<|/det|>{}<|/det|>\nBody",
        "<|det|>text {}<|/det|>Body",
        "<|det|>text {}\nBody",
    ],
)
def test_no_coordinates_stay_in_the_text_of_a_broken_tag(broken, fragment):
    page = parse_page(broken.format(fragment) + NEXT)
    check_layout(page)
    assert seen(page) == [("text", "Body"), ("text", "Next")]


ODD_LISTS = [
    "<1,897,528,925>", "<1, 897, 528, 925>", "<<1, 897, 528, 925>>", "[1, 897, 528, 925>", "bbox=[1, 897, 528, 925]",
    "bbox=[[1, 897, 528, 925]]", "bbox=1,897,528,925", 'bbox="1,897,528,925"', "BBox = <1, 897, 528, 925>",
    "<bbox>1, 897, 528, 925</bbox>", "<box>[[1, 897, 528, 925]]</box>", "bbox: [1, 897, 528, 925]",
    "coordinates: (1, 897, 528, 925)",
]  # fmt: skip
CLOSED = ["Box: 1, 897, 528, 925"]


@pytest.mark.parametrize(
    ("fragment", "broken"),
    [
        (fragment, broken)
        for fragment in (*ODD_LISTS, *CLOSED, "bbox=")
        for broken in (
            "<|ref|>text<|/ref|><|det|>{}<|/det|>\nBody",
            "<|ref|>text<|/ref|>{}<|/det|>\nBody",
            "<|det|>text {}<|/det|>Body",
            "<|ref|>text<|/ref|><|det|>{}\nBody",
            "<|det|>text {}\nBody",
        )
        if "/det" in broken or fragment not in CLOSED
    ],
)
def test_a_list_in_another_notation_is_read_where_only_a_list_can_be(fragment, broken):
    page = parse_page(broken.format(fragment) + NEXT)
    check_layout(page)
    assert seen(page) == [("text", "Body"), ("text", "Next")]
    assert grids(page)[0] == ([(1, 897, 528, 925)] if "1" in fragment else [])


@pytest.mark.parametrize(
    "text", [*ODD_LISTS, *CLOSED, "bbox=", "<1,2>", "Box: 12", "box(1, 2, 3, 4)"]
)
def test_a_list_in_another_notation_is_text_everywhere_else(text):
    """In prose, in code, as the body of a block, and on a page without tags."""
    for form in (
        f"{tag('text')}\nBody {text} and more",
        f"{tag('text')}\n{text}",
        f"{tag('text')}\nBody\n{text}\nmore",
        f"{tag('text')}\n```\nf{text}\n```",
        f"A page without tags.\n\n{text}\n",
        f"{tag('text')}\nBody" + NEXT + f"\n{text}",
    ):
        shown = "".join(parse_page(form).markdown.split())
        assert "".join(text.replace("<bbox>", "").split())[-6:] in shown, form


@pytest.mark.parametrize("line", ["Box: 1, 2, 3, 4", "Coordinates:", "<1, 2>", "<b>1, 2, 3, 4</b>"])
def test_a_line_behind_an_open_mark_stays_text(line):
    assert line.partition("<b>")[0] in parse_page(f"<|det|>text {line}\nBody{NEXT}").markdown


@pytest.mark.parametrize("fragment", FRAGMENTS)
def test_a_reply_that_breaks_off_in_a_broken_list_ends_without_it(fragment):
    page = parse_page(f"{tag('text')}\nBody\n\n<|ref|>text<|/ref|><|det|>{fragment}")
    assert seen(page)[0] == ("text", "Body")
    assert page.markdown == "Body"


@pytest.mark.parametrize("fragment", [f for f in FRAGMENTS if not f.startswith("[[114")])
def test_a_broken_list_without_the_marks_is_a_tag_where_others_are(fragment):
    whole = "title[[1, 2, 300, 400]]\nA\n\n"
    page = parse_page(f"{whole}text{fragment}\nBody\n\ntext[[1, 2, 300, 400]]\nNext")
    assert seen(page) == [("title", "# A"), ("text", "Body"), ("text", "Next")]
    alone = f"A page says:\n\ntext{fragment}\nBody"
    if "[[1," not in fragment and "[1, 897, 528" not in fragment:
        assert parse_page(alone).markdown == alone


@pytest.mark.parametrize(
    ("broken", "grid"),
    [
        ("<|ref|>text<|/ref|>[150, 533, 789, 620]]<|/det|>\nBody", [(150, 533, 789, 620)]),
        ("<|ref|>text<|/ref|><|det|>((1, 897, 528, 925]]\nBody", [(1, 897, 528, 925)]),
        ("<|ref|>text(1, 897, 528, 925)\nBody", [(1, 897, 528, 925)]),
        ("<|det|>text {1, 897, 528, 925}\nBody", [(1, 897, 528, 925)]),
        ("<|ref|>text<|/ref|><|det|>[][]<|/det|>[1, 2, 3, 4]\nBody", [(1, 2, 3, 4)]),
        ("<|ref|>text<|/ref|><|det|>[][]\nBody", []),
    ],
)
def test_the_boxes_of_a_broken_list_are_recovered_where_they_are_clear(broken, grid):
    page = parse_page(broken)
    assert grids(page) == [grid]
    assert seen(page) == [("text", "Body")]
    assert page.warnings


@pytest.mark.parametrize(
    "text",
    [
        "[12] Smith, J. (2001)", "[12]", "(3)", "12(3), 45-67", "[2019-2020]", "[...]", "(2.1)", "[a, b]",
        "f(1, 2)", "(030) 12 34 56", "[x]", "[[1, 2], x]", "{}", "()", "1, 2, 3", "-", "12.5.2020",
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "broken",
    ["<|ref|>text<|/ref|>{}\nBody", "<|ref|>text<|/ref|><|det|>[[1, 2, 3, 4]]<|/det|>{}\nBody"],
)
def test_what_is_not_clearly_a_box_list_stays_text(broken, text):
    assert parse_page(broken.format(text) + NEXT).markdown == f"{text}\nBody\n\nNext"


@pytest.mark.parametrize(
    "text",
    ["[0.5, 0.5]", "[1, 2, 3, 4]", "[[1, 2], [3, 4]]", "[12, 15]", "[]", "[ ]", "(1, 2, 3, 4)", "(0, 1]", "]]"],
)  # fmt: skip
def test_brackets_on_lines_of_their_own_are_the_pages_text(text):
    for form in ("{}", "{}\nBody", "Body\n{}", "Body\n{}\nBody"):
        body = form.format(text)
        assert parse_page(f"{tag('text')}\n{body}{NEXT}").markdown == f"{body}\n\nNext"


@pytest.mark.parametrize("fragment", ["[][]", "[[]]", "((1, 897, 528, 925]]", "1, 897, 528, 925]]"])
def test_a_line_that_can_only_be_a_broken_list_is_left_out_behind_a_whole_tag(fragment):
    assert parse_page(f"{tag('text')}\n{fragment}\nBody").markdown == "Body"
    # Further down it is the page's.
    assert parse_page(f"{tag('text')}\nBody\n{fragment}").markdown == f"Body\n{fragment}"


def test_broken_lists_take_linear_time():
    for piece in (
        "[" * 60_000,
        "1, " * 30_000,
        "[[1, " * 20_000,
        "(1, 2" * 20_000,
        "[][]\n" * 20_000,
    ):
        for form in ("<|ref|>text<|/ref|>{}", "<|det|>text {}", "text[[1, 2, 9, 9]]\n\ntext{}"):
            start = time.thread_time()
            parse_page(form.format(piece))
            assert time.thread_time() - start < 2
