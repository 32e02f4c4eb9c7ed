"""Masking: what varies from request to request is replaced by a mark of its kind.

Patterns run in RE2 (through Arrow) over whole batches: time is linear in the text, whatever it holds.
RE2 has no look-around, so a pattern that needs context captures and restores it.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.observe.text_fold import compatible

__all__ = ["MARKS", "mask"]

# The kinds of marks; a mark reads ‹kind›.
MARKS = ("code", "math", "quote", "url", "email", "path", "id", "name", "num")

# In order: outer structures first, so that what they hold is not masked piecemeal. The first item is a
# literal without which the pattern cannot match (most texts hold few of them), or "".
_RULES: tuple[tuple[str, str, str], ...] = (
    # Invisible characters (bidi controls, zero-width marks) are dropped, control characters part words.
    ("", r"\p{Cf}+", ""),
    ("", r"[\p{Cc}\p{Co}]+", " "),
    ("```", r"(?s)```.*?(?:```|$)", " ‹code› "),
    ("`", r"`[^`]+`", " ‹code› "),
    ("$", r"\$\$.+?\$\$|\$[^$\s](?:[^$]*?[^$\s(])?\$", " ‹math› "),
    ("\\", r"\\\(.+?\\\)|\\\[.+?\\\]|\\begin\{[a-z*]+\}.+?\\end\{[a-z*]+\}", " ‹math› "),
    # The keys of a JSON object belong to the template, its values do not.
    ('"', r'"([A-Za-z_][A-Za-z0-9_ -]*)"\s*:', r" \1 : "),
    ('"', r'"[^"]*"', " ‹quote› "),
    ("", r"“[^”]*”|„[^“”]*[“”]|«[^»]*»|「[^」]*」|『[^』]*』|《[^》]*》", " ‹quote› "),
    ("://", r"(?i)\b(?:https?|ftp|wss?)://[^\s<>\"]+", " ‹url› "),
    ("www.", r"\bwww\.[^\s<>\"]+", " ‹url› "),
    ("@", r"[\w.%+-]+@[\w-]+(?:\.[\w-]+)+", " ‹email› "),
    ("/", r"(^|[\s(\[=:,])(?:~|\.{1,2}|[A-Za-z]:)?(?:/[\w.@+-]+){2,}/?", r"\1‹path› "),
    ("\\", r"\b[A-Za-z]:\\[^\s\"<>|]+", " ‹path› "),
    ("", r"\b(?:(?:sk|pk|rk|hf|glpat|gh[opsu]|xox[abeprs])[-_]|AIza|AKIA|ASIA|eyJ)[\w.-]{12,}", " ‹id› "),
    ("-", r"\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b", " ‹id› "),
    ("", r"\b(?:0x)?[0-9a-fA-F]{16,}\b|[A-Za-z0-9+/]{40,}={0,2}", " ‹id› "),
    ("", r"\b(?:Mr|Mrs|Ms|Dr|Prof|Sir|Madam|Herr|Frau|Señora?|Mme)\b\.?(?:\s+\p{Lu}[\w'-]*)+", " ‹name› "),
    # Capitalised within a sentence.
    ("", r"([a-z,;]\s)\p{Lu}\p{Ll}+(?:[ -]\p{Lu}\p{Ll}+)*", r"\1‹name›"),
    ("", r"\+?\p{Nd}+(?:[.,:/-]\p{Nd}+)*%?", " ‹num› "),
    ("", r"‹num›(?:\s*[-()+]?\s*‹num›)+", "‹num›"),
)


def mask(texts: Sequence[str]) -> list[str]:
    """Mask folded texts; letters keep their case.

    Numbers, quoted strings, code, mathematics, URLs, e-mail addresses, paths, opaque identifiers and keys,
    the values of JSON objects, and names where they can be recognised become marks such as ``‹num›``.
    White space is single, and there are no control, bidi or invisible characters left.
    """
    masked: pa.Array = pa.array([compatible(text) for text in texts], pa.large_string())
    for literal, pattern, mark in _RULES:
        if literal:
            hit = pc.match_substring(masked, literal)
            hits = pc.sum(hit).as_py() or 0
            if not hits:
                continue
            if hits < len(masked):
                changed = pc.replace_substring_regex(masked.filter(hit), pattern, mark)
                masked = pc.replace_with_mask(masked, hit, changed)
                continue
        masked = pc.replace_substring_regex(masked, pattern, mark)
    return [" ".join(text.split()) for text in masked.to_pylist()]
