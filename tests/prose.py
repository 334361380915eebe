"""The prose of a page of docs: its sentences, without code, tables, headings and comments."""

from __future__ import annotations

import re

MOST_WORDS = 25


def paragraphs(text: str) -> list[tuple[int, str]]:
    """Paragraphs and points of lists, each with the number of its first line."""
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    found: list[tuple[int, str]] = []
    inside, code = False, False
    for number, line in enumerate(text.splitlines(), 1):
        words = line.strip()
        if words.startswith("```"):
            code, inside = not code, False
        elif code or not words or words.startswith(("#", "|", "![")):
            inside = False
        elif inside and not re.match(r"[-*] |\d+\. ", words):
            found[-1] = (found[-1][0], f"{found[-1][1]} {words}")
        else:
            found.append((number, re.sub(r"^([-*]|\d+\.) ", "", words)))
            inside = True
    return found


def sentences(text: str) -> list[tuple[int, str]]:
    """The sentences, each with the line at which its paragraph begins; a piece of code counts as one word."""
    found = []
    for number, paragraph in paragraphs(text):
        plain = re.sub(r"`[^`]*`", "`code`", paragraph)
        plain = re.sub(r"!?(\[[^\]]*\])\([^)]*\)", r"\1", plain).replace("*", "")
        ends = re.split(r"(?<=[.!?])[)\"]?\s+(?=[(\[\"`A-Z0-9])", plain)
        found += [(number, sentence) for sentence in ends]
    return found


def words_in(sentence: str) -> int:
    """How many words somebody reads: signs alone are none."""
    return sum(1 for word in sentence.split() if re.search(r"\w", word))
