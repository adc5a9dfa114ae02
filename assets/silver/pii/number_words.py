"""Numbers as they are said: German and English, from zero to ninety-nine, ordinals, and years."""

from __future__ import annotations

import re

_ONES_DE = "null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn siebzehn achtzehn neunzehn".split()
_TENS_DE = "zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig".split()
_ONES_EN = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()
_TENS_EN = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_TH_EN = "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth".split()


def _german() -> dict[str, int]:
    numbers = {word: number for number, word in enumerate(_ONES_DE)}
    for ten, word in enumerate(_TENS_DE, 2):
        numbers[word] = ten * 10
        for one, unit in enumerate(("ein", *_ONES_DE[2:10]), 1):
            numbers[f"{unit}und{word}"] = ten * 10 + one
    spelled = {word.replace("ß", "ss"): number for word, number in numbers.items()}
    return {**spelled, **numbers, "zwo": 2, "fuenf": 5, "zwoelf": 12}


def _english() -> dict[str, int]:
    numbers = {word: number for number, word in enumerate(_ONES_EN)}
    for ten, word in enumerate(_TENS_EN, 2):
        numbers[word] = ten * 10
        for one, unit in enumerate(_ONES_EN[1:10], 1):
            numbers[f"{word}-{unit}"] = numbers[f"{word} {unit}"] = ten * 10 + one
    return {**numbers, "oh": 0, "nought": 0}


GERMAN = _german()
ENGLISH = _english()


def _days() -> dict[str, int]:
    irregular = {1: "erst", 3: "dritt", 7: "siebt", 8: "acht"}
    days = {}
    for word, number in GERMAN.items():
        if 1 <= number <= 31:
            stem = irregular.get(number) or word + ("t" if number < 20 else "st")
            for ending in ("en", "er", "e", "es", "em"):
                days[stem + ending] = number
    days |= {"siebenten": 7, "siebenter": 7}
    days |= {word: number for number, word in enumerate(_TH_EN, 1)}
    days |= {"twentieth": 20, "thirtieth": 30, "thirty-first": 31, "thirty first": 31}
    for number, word in enumerate(_TH_EN[:9], 21):
        days[f"twenty-{word}"] = days[f"twenty {word}"] = number
    return days


DAYS = _days()
"""Ordinals up to the thirty-first, in every German case."""


def any_of(words: dict[str, int]) -> str:
    """A pattern for any of these words, the longest first."""
    return "|".join(sorted(words, key=len, reverse=True))


YEAR = (
    rf"(?:neunzehnhundert|zweitausend)(?:und)?(?:{any_of(GERMAN)})?"
    rf"|(?:nineteen|twenty)[ -](?:hundred[ ](?:and[ ])?|oh[ -])?(?:{any_of(ENGLISH)})|two[ ]thousand(?:[ ](?:and[ ])?(?:{any_of(ENGLISH)}))?"
)
"""Years of the last and of this century, as they are said."""

_YEAR = re.compile(
    r"(?P<century>neunzehnhundert|nineteen|zweitausend|twenty|two thousand)[ -]?(?:hundred )?(?:und|and )?(?:oh[ -])?(?P<rest>.*)"
)


def year_of(said: str) -> int:
    """The year that a match of `YEAR`, in lower case, says."""
    match = _YEAR.fullmatch(said)
    if match is None:
        return 0
    rest = match["rest"].strip()
    return (1900 if match["century"].startswith(("neun", "nine")) else 2000) + (
        GERMAN.get(rest) or ENGLISH.get(rest) or 0
    )
