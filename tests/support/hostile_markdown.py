"""What a page may write to do something in a viewer, and pieces to mix such text from."""

from __future__ import annotations

ATTACKS = [
    "<script>alert(1)</script>", "<SCRIPT SRC=//e/x.js></SCRIPT>", "<img src=x onerror=alert(1)>",
    "<img src='http://e/?leak'>", "![pic](http://e/p.png)", "![pic](//e/p.png)", "![](data:image/png;base64,x)",
    "[go](javascript:alert(1))", "[go](https://e)", "[go](<javascript:alert(1)>)", "[go](\tjavascript:1)",
    "[go](< javascript:alert(1)>)", "[go](java&#115;cript:alert(1))", "[go](javascript&colon;alert(1))",
    "[go](&#106;avascript:1)", "[go](javascript\\:alert(1))", "[go](\\\\e\\share)", "[go](/\\e)", "[a\\](http://e)",
    "[a\\\\](http://e)", "![a][b]\n\n[b]: http://e/p.png", "[a]\n\n[a]: javascript:1", "[a\nb]\n\n[a\nb]: http://e",
    "> [a]: http://e\n\n[a]", "- [a]: http://e\n\n[a]", "[![x](http://e/i)](http://e)", "[]()",
    "[go](../up)", "![](/api?do=it)", "![](?do=it)", "![](a)", "\\![](a)", "!\n[](a)", "[go](a(b)/../c)", "[go](<a b/../c>)", "[go](a<b>/../c)",
    f"[go]({'a' * 300}/../c)", "[go](\n../up)", "[go](up \"x\")", "[go](a)/b)", "[go](..)", "[go](%2e%2E)", "![](%2Fa)", "[go](a\\)/b)",
    "<http://e>", "<me@e.org>",
    "<1@e.org>", "<a href=http://e>x</a>", "<a\nhref='javascript:1'>x</a>", "<svg/onload=alert(1)>", "<svg><script>1</script>",
    "<iframe src=//e></iframe>", "<style>*{background:url(//e)}</style>", "<link rel=stylesheet href=//e>",
    "<meta http-equiv=refresh content='0;url=//e'>", "<base href=//e>", "<form action=//e><input></form>",
    "<object data=//e>", "<embed src=//e>", "<video poster=//e>", "<details open ontoggle=alert(1)>",
    "<b onmouseover=alert(1)>x</b>", "<b style='background:url(//e)'>x</b>", "<td onclick=alert(1)>x</td>",
    "<table background=//e><tr><td>x</td></tr></table>", "<table><tr><td style=x><img src=//e></td></tr></table>",
    "<table><tr><td><script>1</script></td></tr></table>", "<td colspan='2' onclick='x'>y", "<td colspan=\"2\"onclick=x>",
    "<!-- x --><script>1</script>", "<!--><img src=//e>", "<!DOCTYPE x>", "<?php x ?>", "<![CDATA[<script>]]>",
    "</div></div><script>1</script>", "</pre></code><img src=//e>", "```\n</code></pre><img src=//e>\n```",
    "```<img src=//e>\n", "~~~\n~~~\n<img src=//e>", "``` `<img src=//e>\n", "\\[ \\href{javascript:1}{x} \\]",
    "$\\href{javascript:alert(1)}{x}$", "\\(\\unicode{x}\\url{http://e}\\)", "| a | <img src=//e> |\n| --- | --- |\n| x | [l](http://e) |",
    "# <img src=//e>", "# [x](http://e)", "<sub><img src=//e></sub>", "<sub onclick=x>y</sub>", "<B/onclick=x>y</B>",
    "<\x00script>1</script>", "<scr\x00ipt>", "\x1b]0;owned\x07", "\x9b31m", "\u202egnp.exe", "<<script>1</script>",
    "<x:script xmlns:x='http://www.w3.org/1999/xhtml'>1</x:script>", "<math><mi xlink:href='javascript:1'>x</mi></math>",
    '<td colspan="1>" autofocus onfocus="alert(1)" tabindex="1">x', '<table><tr><td colspan="1>" autofocus onfocus=alert(1)>',
    "<td rowspan='2>' onclick=alert(1)>x</td>", '<th colspan="1\n>" onclick=alert(1)>', "<td colspan=1/onclick=alert(1)>",
    "<td colspan=&quot;1&quot; onclick=alert(1)>x", '<table><tr><td colspan="1" rowspan="1>" style=x onclick=alert(1)>y</td></tr></table>',
    "<b\n>x</b>", "<sub\x0conclick=alert(1)>", "<1@evil.org>", "<xmpp:a@b>", "<made-up+x:y>", "<.@e.org>",
    "&lt;script&gt;1&lt;/script&gt;", "&#60;script&#62;", "<img\tsrc=//e>", "<img/src=//e>", "<%= x %>", "{{7*7}}",
]  # fmt: skip

CELL_PIECES = [
    "<td", "<th", "</td>", "<tr>", "<table>", "</table>", "<table ", " ", "\n", "/", ">", "<", "=", '"', "'",
    "`", "1", "99", "colspan", "rowspan", "COLSPAN", " onfocus=alert(1)", " autofocus", "&quot;", "&#34;",
    "\u00a0", "\x00", "x", "|", "\n\n", "</table x>", "\\", "<b>", "</b>", "!",
]  # fmt: skip
"""Pieces of cells' tags, broken in every way."""
