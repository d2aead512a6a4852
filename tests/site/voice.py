"""Measures how a page sounds: sentences, their subjects, contractions, words.

Only prose counts: code, tables, headings, directives and labels are left out, and a
piece of code in a line counts as one word. The bands come from the pages of Flask,
FastAPI and the Rust book. A measure finds faults; it makes no text good.
"""

import re
import sys
from pathlib import Path

CHAPTERS = {  # name: (lowest, highest); None: no limit
    "words in a sentence": (13, 19),
    "% of at most 7 words": (None, 18),
    "% of more than 30 words": (None, 6),
    "% with who or what as the subject": (None, 0.5),
    "contractions in 1,000 words": (8, 20),
    "words that we do not use": (None, 0),
}
FRAGMENTS = CHAPTERS | {  # a README and the home page are mostly lists
    "words in a sentence": (11, 19),
    "% of at most 7 words": (None, 30),
    "contractions in 1,000 words": (8, 35),
}
WHO = re.compile(
    r"^(?:And |But |So |Or )?(?:Who|Whoever|Whatever|What)\b(?!.*\?$)(?! (?:a|an)\b)"
)
WORDS = re.compile(
    r"\b(?:whoever|whosoever|nobody|somebody|anybody|everybody|anew|for ever"
    r"|stands?(?= in\b| with\b| there\b)|mails|a mail|the mail(?! server| worker)"
    r"|look into|in the clear|thus|hence|whatever|has to be|have to be|is to be|of use"
    r"|none of them|at last|besides|simply|obviously|easily|of course|just|easy peasy"
    r"|awesome|seamless(?:ly)?|robust|powerful)\b",
    re.IGNORECASE,
)
CONTRACTION = re.compile(
    r"\b(?:\w+n['’]t|\w+['’](?:ll|re|ve|d|m)"
    r"|(?:it|that|there|here|what|let|who|he|she)['’]s)\b",
    re.IGNORECASE,
)
ABBREVIATION = re.compile(r"\b(e\.g|i\.e|etc|vs|no|Nr|St)\.")
NO_PROSE = re.compile(
    r"#{1,6} |\||:::|=== |!!! |\?\?\? |///|@ |!\[|\{[*!%]|</?\w|\$ |>>> |> "
)


def prose(text):
    """Return the paragraphs of a page, without code and labels."""
    text = re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r"^( *)(```|~~~).*?^\1\2 *$", "", text, flags=re.M | re.S)
    lines = [line.strip() for line in text.splitlines()]
    lines = ["" if NO_PROSE.match(line) else line for line in lines]
    text = "\n".join(re.sub(r"^(?:[-*+]|\d+\.) +", "\n", line) for line in lines)
    text = re.sub(r"(?m)^\*[^*\n]*?(?:minutes?\b|New: )[^*\n]*\*", "", text)
    text = re.sub(r"(?m)^\*\*[^*\n]+[.?!:]\*\*", "", text)  # the label of an item
    text = re.sub(r"!?\[([^]]*)\]\([^)]*\)(\{[^}]*\})?", r"\1", text)
    text = re.sub(r"`[^`]+`", "CODE", text)
    text = re.sub(r"<[^>]+>|\*\*?|__|\{[^}]*\}", "", text)
    return [" ".join(part.split()) for part in re.split(r"\n\s*\n", text) if part]


def sentences(paragraphs):
    """Yield each sentence and how many words it has."""
    for paragraph in paragraphs:
        text = ABBREVIATION.sub(r"\1", paragraph)
        for part in re.split(r"(?<=[.!?])[\"”’)]*\s+(?=[\"“(]?[A-Z0-9])", text):
            words = re.findall(r"[A-Za-z0-9][\w’'.-]*", part)
            if len(words) > 1 and re.search(r"[.!?:…][\"”’)]*$", part):
                yield part, len(words)


def measure(text):
    """Return the numbers of a page, by the names of the bands, and its faults."""
    found = list(sentences(prose(text)))
    whole = " ".join(sentence for sentence, _ in found)
    words, count = sum(n for _, n in found) or 1, len(found) or 1
    short = [sentence for sentence, n in found if n <= 7]
    long = [sentence for sentence, n in found if n > 30]
    who = [sentence for sentence, _ in found if WHO.match(sentence)]
    said = WORDS.findall(whole)
    values = (
        words / count,
        100 * len(short) / count,
        100 * len(long) / count,
        100 * len(who) / count,
        1000 * len(CONTRACTION.findall(whole)) / words,
        len(said),
    )
    return dict(zip(CHAPTERS, values, strict=True)), short + long + who + said


def out_of_band(text, bands):
    """Return what is out of its band on a page, for people."""
    numbers, _ = measure(text)
    return [
        f"{name}: {numbers[name]:.1f}, and not {low or 0} to {high}"
        for name, (low, high) in bands.items()
        if not (low or 0) <= numbers[name] <= high
    ]


if __name__ == "__main__":
    for page in map(Path, sys.argv[1:]):
        content = page.read_text("utf-8")
        print(page, *out_of_band(content, CHAPTERS), sep="\n    ")
        print("        " + "\n        ".join(measure(content)[1]))
