"""The same episode gives the same text, speakers and times, whatever format it comes in."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.silver.document import Document
from assets.silver.limits import Limits
from assets.silver.readers import read
from assets.silver.refusal import RefusedError
from tests.assets import transcripts
from tests.assets.test_silver_normalise import assert_sound

TALK = """Aylin Demir: Wie laut ist das?
Jonas Petersen: Leise."""


def turns(document: Document) -> list[tuple[str | None, float | None, float | None, str]]:
    assert_sound(document)
    return [
        (block.speaker, block.start_s, block.end_s, document.text[block.start : block.end])
        for block in document.blocks
        if block.kind == "turn"
    ]


def read_one(content: str | bytes, path: str) -> Document:
    (document,) = read(content.encode() if isinstance(content, str) else content, path)
    return document


@pytest.mark.parametrize(
    ("write", "path", "reader"),
    [
        (transcripts.vtt, "a.vtt", "webvtt"),
        (transcripts.srt, "a.srt", "subrip"),
        (transcripts.sbv, "a.sbv", "sbv"),
        (transcripts.podcasting20, "a.json", "transcript-json"),
        (transcripts.whisper, "a.json", "transcript-json"),
        (transcripts.utterances, "a.json", "transcript-json"),
        (transcripts.tsv, "a.tsv", "transcript-table"),
        (transcripts.ttml, "a.ttml", "ttml"),
    ],
)
@pytest.mark.parametrize("odd", ["", "bom", "crlf", "wrong ending"])
def test_every_format_tells_the_same(write: object, path: str, reader: str, odd: str) -> None:
    assert callable(write)
    content = write(transcripts.EPISODE)
    content = "\ufeff" * (odd == "bom") + (content.replace("\n", "\r\n") if odd == "crlf" else content)
    document = read_one(content, "a.txt" if odd == "wrong ending" else path)
    assert turns(document) == list(transcripts.TURNS)
    assert document.reader.startswith(f"{reader}/")
    note = f"read as {reader}, though it is named .txt"
    assert document.notes == ((note,) if odd == "wrong ending" else ())


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("1\n00:01,5 --> 00:02,50\nA\n\n2\n0:0:3.000-->0:0:4.000\nB", [(1.5, 4.0, "A B")]),
        ("00:00:01,000 --> 00:00:02,000 X1:1 Y1:2\n<font color=red>{\\an8}A</font>\n", [(1.0, 2.0, "A")]),
        ("1\n00:00:05,000 --> 00:00:06,000\nB\n\n2\n00:00:01,000 --> 00:00:02,000\nA", [(1.0, 6.0, "A B")]),
        (
            "1\n00:00:01,000 --> 00:00:04,000\nA\n\nmit Lücke\n\n2\n00:00:02,000 --> 00:00:03,000\nB",
            [(1.0, 4.0, "A mit Lücke B")],
        ),
        (
            "x\n00:00:01,000 --> 00:00:02,000\nA\n7\n00:00:02,000 --> 00:00:03,000\n1999 war gut",
            [(1.0, 3.0, "A 1999 war gut")],
        ),
        ("00:59:59,000 --> 01:00:00,000\nA &amp; &copy\n", [(3599.0, 3600.0, "A & &copy")]),
    ],
)
def test_careless_subrip_is_understood(content: str, expected: list[tuple[float, float, str]]) -> None:
    assert [turn[1:] for turn in turns(read_one(content, "a.srt"))] == expected


@pytest.mark.parametrize(
    "value",
    [
        {"segments": [{"start": "0:01", "end": "0:02.5", "text": "Hallo."}]},
        {"transcription": [
            {"timestamps": {"from": "00:00:01,000"}, "offsets": {"from": 1000, "to": 2500}, "text": " Hallo."}]},
        {"chunks": [{"timestamp": [1.0, 2.5], "text": "Hallo."}]},
        {"events": [
            {"tStartMs": 0}, {"tStartMs": 1000, "dDurationMs": 1500, "segs": [{"utf8": "Hal"}, {"utf8": "lo."}]}]},
        {"recognizedPhrases": [{"offsetInTicks": 1e7, "durationInTicks": 15e6, "nBest": [{"display": "Hallo."}]}]},
        {"results": {"items": [
            {"start_time": "1.0", "end_time": "2.5", "alternatives": [{"content": "Hallo"}]},
            {"type": "punctuation", "alternatives": [{"content": "."}]},
        ]}},
        {"results": [{"alternatives": [{"transcript": "Hallo.", "words": [
            {"startTime": "1s", "endTime": "2.5s", "word": "Hallo."}]}, {"transcript": "Hello"}]}]},
        {"monologues": [{"elements": [
            {"type": "text", "value": "Hallo", "ts": 1.0, "end_ts": 2.5}, {"type": "punct", "value": "."}]}]},
        [{"start": 1000, "end": 2500, "text": "Hallo."}],
    ],
    ids=["clock", "whisper.cpp", "chunks", "youtube", "azure", "aws", "google", "rev", "list in milliseconds"],
)  # fmt: skip
def test_json_of_many_services(value: object) -> None:
    ((_, start, end, text),) = turns(read_one(json.dumps(value), "a.json"))
    assert (start, end, text) == (1.0, 2.5, "Hallo.")


def test_paragraphs_of_sentences_all_count_and_keep_their_speaker() -> None:
    paragraphs = [
        {"speaker": 0, "sentences": [
            {"text": "Eins.", "start": 0.1, "end": 1.0}, {"text": "Zwei.", "start": 1.0, "end": 2.0}]},
        {"speaker": 1, "sentences": [{"text": "Drei.", "start": 3.0, "end": 4.0}]},
    ]  # fmt: skip
    value = {"results": {"channels": [{"alternatives": [{"paragraphs": {"paragraphs": paragraphs}}]}]}}
    assert turns(read_one(json.dumps(value), "a.json")) == [
        ("Speaker 0", 0.1, 2.0, "Eins. Zwei."),
        ("Speaker 1", 3.0, 4.0, "Drei."),
    ]


def test_lines_with_the_same_times_are_one_caption() -> None:
    segments = [{"startTime": 0, "endTime": 2, "body": word} for word in ("Das ist", "eine Zeile.")]
    assert turns(read_one(json.dumps({"segments": segments}), "a.json")) == [(None, 0.0, 2.0, "Das ist eine Zeile.")]


def test_words_give_long_utterances_their_times() -> None:
    words = [
        {"text": text, "start": at * 1000, "end": at * 1000 + 500}
        for text, at in zip("Ein Satz. Später noch einer.".split(), (0, 1, 100, 101, 102), strict=True)
    ]
    item = {"text": "Ein Satz. Später noch einer.", "start": 0, "end": 102_500, "speaker": "A", "words": words}
    assert turns(read_one(json.dumps({"utterances": [item]}), "a.json")) == [
        ("A", 0.0, 1.5, "Ein Satz."),
        ("A", 100.0, 102.5, "Später noch einer."),
    ]


def test_odd_json_is_noted_or_refused() -> None:
    good = '{"start": 0, "end": 1, "text": "weg", "text": "da", "score": NaN}'
    document = read_one(f'{{"segments": [{good}, {{"start": -1, "end": 2, "text": "x"}}]}}', "a.json")
    assert document.text == "da"
    assert document.notes == (
        "1 keys were given twice in one JSON object; the last value counts",
        "1 values were NaN or infinite",
        "1 passages without times that can be understood were left out",
    )


@pytest.mark.parametrize(
    ("content", "path", "code", "detail"),
    [
        ('{"segments":[{"start":NaN,"end":-1,"text":"b"},{"start":1e400}]}', "a.json", "malformed", "none of"),
        ('{"segments":[{"start":0,"end":1,"text":"abge', "a.json", "malformed", "line 1"),
        ("[" * 50_000, "a.json", "nested_too_deep", "JSON of more levels"),
        ('{"posts":[{"title":"x"}]}', "a.json", "unknown_format", "expected are for instance `segments`"),
        ("WEBVTT\n\n" + "00:01.000 --> 00:02.000\nx\n\n" * 5, "a.vtt", "too_many_cues", "5 cues"),
        ("1\n00:01,000 --> 00:02,000\nx\n\n" * 5, "a.srt", "too_many_cues", "5 cues"),
        (json.dumps([{"start": n, "text": "x"} for n in range(5)]), "a.json", "too_many_cues", "5 passages"),
        ("start\tend\ttext\n" + "0\t1\tx\n" * 9, "a.tsv", "too_many_cues", "10 lines"),
        ("<tt><body>" + '<p begin="1s" end="2s">x</p>' * 5 + "</body></tt>", "a.ttml", "too_many_cues", "more than 4"),
        ("<tt>" + "<div>" * 30_000, "a.ttml", "nested_too_deep", "XML deeper"),
        ('<!DOCTYPE tt [<!ENTITY a "b">]><tt><body><p begin="1s">&a;</p></body></tt>', "a.xml", "xml_entities", "ent"),
        ("<tt><body><p>ohne Zeiten</p></body></tt>", "a.ttml", "malformed", "no paragraph"),
        ("\u200b\n\n\u200b\n", "a.sbv", "malformed", "no cue"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_says_what_was_expected(content: str, path: str, code: str, detail: str) -> None:
    with pytest.raises(RefusedError) as refused:
        read(content.encode(), path, Limits(cues=4))
    assert (refused.value.code, detail in (refused.value.detail or "")) == (code, True)
    assert refused.value.reader


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            "Folge 12\nmit Gästen\n\n[00:00] Anna: Hallo.\n[00:05] Ben: Danke.\n[00:09] Gern.\n",
            [("Anna", 0.0, 5.0, "Hallo."), ("Ben", 5.0, 12.0, "Danke. Gern.")],
        ),
        (
            "Anna Weber  0:00\nHallo zusammen.\n\nBen  0:04\nDanke!\n\nAnna Weber  0:08\nJ\n",
            [("Anna Weber", 0.0, 4.0, "Hallo zusammen."), ("Ben", 4.0, 8.0, "Danke!"), ("Anna Weber", 8.0, 11, "J")],
        ),
        (
            "[00:00.000 --> 00:05.600]  Willkommen.\n[00:05.600 --> 00:12.240]  Los.\n[00:12.240 --> 00:16.0]  Ja",
            [(None, 0.0, 16.0, "Willkommen. Los. Ja")],
        ),
        (
            "00:00:01 <v Anna>Hallo.</v>\n00:00:03 <v Ben>Ja.</v>\n00:00:05 <v Anna>Gut &amp; schön.</v>",
            [("Anna", 1.0, 3.0, "Hallo."), ("Ben", 3.0, 5.0, "Ja."), ("Anna", 5.0, 9.0, "Gut & schön.")],
        ),
    ],
)  # fmt: skip
def test_text_with_times_at_its_lines(content: str, expected: list[tuple[str | None, float, float, str]]) -> None:
    document = read_one(content, "a.txt")
    assert document.reader.startswith("transcript-text/")
    for turn, wanted in zip(turns(document), expected, strict=True):
        assert turn[:2] + turn[3:] == wanted[:2] + wanted[3:]
        assert turn[2] == pytest.approx(wanted[2], abs=2.5)


@pytest.mark.parametrize(
    "content",
    [
        "09:00 Begrüßung\n09:30 Vortrag\n10:00 Pause\n11:00 Ende\n",
        "12:00:01 INFO start\n12:00:02 INFO go\n12:00:03 INFO end\n",
        "Wir treffen uns um 10:30 Uhr.\n\nAb 11:00 Uhr gibt es Kaffee.\n\n12:15 ist Schluss.",
        "Das Verhältnis 3:1 ist gut.\n4:2 auch.\n",
    ],
)
def test_times_of_day_are_no_recording(content: str) -> None:
    assert read_one(content, "a.txt").reader.startswith("text/")


MARKDOWN = """---
title: Folge 1
date: 2026-03-01
---

# Folge 1

**Anna Weber:** \\[00:00:10\\] Hallo *zusammen* und [willkommen](https://example.org) zu unserer Sendung.

**[00:01:00] Ben:** Hi.

Zweiter Absatz von Ben, <!-- geheim --> etwas länger als der erste.

**Anna Weber** (02:00): Ende.
"""


def test_markdown_with_speakers_in_bold() -> None:
    document = read_one(MARKDOWN, "a.md")
    spoken = turns(document)
    assert [(speaker, text) for speaker, _, _, text in spoken] == [
        ("Anna Weber", "Hallo zusammen und willkommen zu unserer Sendung."),
        ("Ben", "Hi."),
        ("Ben", "Zweiter Absatz von Ben, etwas länger als der erste."),
        ("Anna Weber", "Ende."),
    ]
    assert [start for _, start, _, _ in spoken if start in (10.0, 60.0, 120.0)] == [10.0, 60.0, 120.0]
    assert all(60.0 < (start or 0) < (end or 0) <= 120.0 for _, start, end, _ in spoken[2:3])
    assert (document.title, document.published) == ("Folge 1", "2026-03-01")
    assert document.notes == (
        "times between those that the text names are estimated",
        "text that people do not see was left out (comment)",
    )
    assert [(hidden.kind, hidden.text) for hidden in document.hidden] == [("comment", "geheim")]


def test_markdown_without_times_has_speakers_alone() -> None:
    document = read_one("**Anna:** Eins.\n\n**Ben:** Zwei.\n\n**Anna:** Drei.\n\n**Ben:** Vier.", "a.md")
    assert turns(document)[:2] == [("Anna", None, None, "Eins."), ("Ben", None, None, "Zwei.")]
    assert document.notes == ()


@pytest.mark.parametrize(
    "content",
    [
        "**Hinweis:** Das ist wichtig.\n\nText.\n\n**Tipp:** Das auch.\n\nMehr Text.\n\n**Fazit:** Gut.",
        "**Fett** am Anfang.\n\n**Auch** hier.\n\n**Und** da.",
        "Ein Absatz.\n\n" * 20 + "**Anna:** Ja.\n\n**Ben:** Nein.\n\n**Anna:** Doch.",
    ],
)
def test_bold_words_are_no_speakers(content: str) -> None:
    assert read_one(content, "a.md").reader.startswith("markdown/")


HTML = """<html lang="en"><head><title>Episode 3</title></head><body>
<cite>Alban:</cite><time>0:00</time><p>Hello &amp; welcome.</p>
<cite>Kevin:</cite><time>0:30</time><p>Thanks.</p><p>Second paragraph.</p>
<time>1:02:03</time><p>Much later.</p></body></html>"""


def test_html_of_podcasting_20() -> None:
    document = read_one(HTML, "a.html")
    assert document.reader.startswith("transcript-html/")
    assert [(speaker, start, text) for speaker, start, _, text in turns(document)] == [
        ("Alban", 0.0, "Hello & welcome."),
        ("Kevin", 30.0, "Thanks. Second paragraph."),
        ("Kevin", 3723.0, "Much later."),
    ]
    assert (document.title, document.language) == ("Episode 3", "en")


def test_a_table_may_name_its_columns_and_its_speakers() -> None:
    content = 'Start;End;Speaker;Text\n0:00:01.2;0:00:03;Anna;"Hallo; du"\n0:00:04;0:00:05;Ben;Ja.\n'
    assert turns(read_one(content, "a.csv")) == [("Anna", 1.2, 3.0, "Hallo; du"), ("Ben", 4.0, 5.0, "Ja.")]


def test_ttml_counts_from_where_its_parts_begin() -> None:
    content = (
        '<tt xmlns="http://www.w3.org/ns/ttml" xmlns:p="http://www.w3.org/ns/ttml#parameter" p:frameRate="25"'
        ' p:tickRate="1000"><head/><body begin="10s"><div begin="5s"><p begin="00:00:01.5" dur="2s">eins<br/>zwei</p>'
        '<p begin="00:00:06:05" end="00:00:08:00">drei</p><p><span begin="60000t" end="62000t">vier</span></p>'
        '<p begin="2m" end="2.1m">fünf</p></div></body></tt>'
    )
    assert turns(read_one(content, "a.ttml")) == [
        (None, 16.5, 23.0, "eins zwei drei"),
        (None, 75.0, 77.0, "vier"),
        (None, 135.0, 141.0, "fünf"),
    ]


@pytest.mark.parametrize(
    ("texts", "speakers"),
    [
        (["Alban: Hello there", "and more.", "Kevin: Hi.", "Alban: Bye."], ["Alban", "Alban", "Kevin", "Alban"]),
        (["[SPEAKER_00]: Hello.", "[SPEAKER_01]: Hi.", "Yes."], ["SPEAKER_00", "SPEAKER_01", "SPEAKER_01"]),
        ([">> ANNA: Hello.", ">> BEN: Hi."], ["ANNA", "BEN"]),
        (["Dr. Eva von Ahn: Da.", "Ben: Hi.", "Dr. Eva von Ahn: Ja.", "Ben: Eben."], ["Dr. Eva von Ahn", "Ben"] * 2),
        (["So the thing is", "this: a colon.", "That is all", "there is: nothing."], [None] * 4),
        (["[Music]", "Hello there.", "[Applause]", "Thanks."], [None] * 4),
        (["Welcome."] * 9 + ["Note: this is one.", "Fine."], [None] * 11),
    ],
)  # fmt: skip
def test_names_before_a_colon(texts: list[str], speakers: list[str | None]) -> None:
    episode = [{"start": 100 * n, "end": 100 * n + 5, "text": text} for n, text in enumerate(texts)]
    assert [speaker for speaker, *_ in turns(read_one(json.dumps(episode), "a.json"))] == speakers


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_mutation_of_a_transcript_takes_a_reader_down(data: st.DataObject) -> None:
    write = data.draw(
        st.sampled_from([transcripts.vtt, transcripts.srt, transcripts.whisper, transcripts.tsv, transcripts.ttml])
    )
    content = list(write(transcripts.EPISODE))
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 3))] = data.draw(st.text(max_size=3))
    try:
        documents = read("".join(content).encode("utf-8", "replace"), "a.txt")
    except RefusedError:
        documents = ()
    for document in documents:
        assert_sound(document)


@pytest.mark.parametrize(
    ("content", "path"),
    [
        ("1\n00:00:00,000 --> 00:59:59,999\nZeile\n\n" * 15_000, "a.srt"),
        ("00:01 " * 100_000, "a.txt"),
        ("**A:**" * 20_000, "a.md"),
        ("**" * 60_000, "a.md"),
        ('{"a":' * 60_000, "a.json"),
        ('{"segments":[' + '{"start":0,' * 40_000, "a.json"),
        ('"' * 300_000, "a.json"),
        ("A: " * 100_000, "a.srt"),
        ("<cite>" * 50_000 + "<time>0:00</time>" * 3, "a.html"),
        ("start\tend\ttext\n" + "\t" * 500_000, "a.tsv"),
        ("[" * 200_000, "a.txt"),
        ("[00:00] " + "x: " * 100_000 + "\n[00:01] a\n[00:02] b", "a.txt"),
    ],
)
def test_hostile_transcripts_take_no_quadratic_time(content: str, path: str) -> None:
    started = time.process_time()
    try:
        documents = read(content.encode(), path)
    except RefusedError:
        documents = ()
    assert time.process_time() - started < 5
    for document in documents:
        assert_sound(document)


def test_line_breaks_of_unicode_may_stand_in_json() -> None:
    content = '[{"start": 0, "end": 1, "text": "eins\u2028zwei\x85drei"}]'
    assert read_one(content, "a.json").text == "eins zwei drei"


def test_long_text_with_times_is_text_by_its_name() -> None:
    document = read_one("\n".join(f"00:{n // 60:02d}:{n % 60:02d} {'Wort ' * 30}" for n in range(0, 3000, 5)), "a.txt")
    assert (document.reader.split("/")[0], document.notes) == ("transcript-text", ())


@pytest.mark.parametrize(
    ("content", "path", "said"),
    [
        ('[[{"start": 0.0, "end": 2.0, "text": "Eins."}, {"start": 2, "end": 4, "text": "Zwei."}]]', "a.json", [None]),
        ('{"start": 0.0, "end": 2.0, "text": "Eins."}\n{"start": 2, "end": 4, "text": "Zwei."}\n', "a.jsonl", [None]),
        (
            '{"speakers": [{"id": 0, "name": "Ada"}], "monologues": [{"speaker": 0, "elements":'
            ' [{"value": "Eins.", "ts": 0.5, "end_ts": 0.8}, {"value": " Zwei.", "ts": 1, "end_ts": 2}]}]}',
            "a.json",
            ["Ada"],
        ),
        ("0:00:01.000,0:00:04.000\nEins.[br]Zwei.\n", "a.sbv", [None]),
    ],
    ids=["list in a list", "JSON Lines", "names beside the passages", "SBV of YouTube"],
)
def test_odd_ways_to_write_two_sentences(content: str, path: str, said: list[str | None]) -> None:
    (document,) = read(content.encode(), path)
    assert document.text == "Eins. Zwei."
    assert [block.speaker for block in document.blocks] == said


WORDS = [("Wie", 0.5, 0.9), ("laut?", 1.0, 1.4), ("Leise.", 63.25, 64.0)]


@pytest.mark.parametrize("absolute", [True, False], ids=["paragraphs have times", "words alone"])
def test_ttml_of_apple_podcasts(absolute: bool) -> None:
    def clock(time: float) -> str:
        return f"{time:.3f}" if time < 60 else f"{int(time // 60)}:{time % 60:06.3f}"

    paragraphs = ""
    for agent, words in (("SPEAKER_1", WORDS[:2]), ("SPEAKER_2", WORDS[2:])):
        times = f' begin="{clock(words[0][1])}" end="{clock(words[-1][2])}"' if absolute else ""
        spans = "".join(
            f'<span begin="{clock(start)}" end="{clock(end)}" podcasts:unit="word">{word}</span>'
            for word, start, end in words
        )
        paragraphs += f'<p ttm:agent="{agent}"{times}><span podcasts:unit="sentence">{spans}</span></p>'
    content = (
        '<tt xmlns="http://www.w3.org/ns/ttml" xmlns:ttm="http://www.w3.org/ns/ttml#metadata"'
        ' xmlns:podcasts="http://podcasts.apple.com/transcript-ttml-internal"><head><metadata>'
        f'<ttm:agent xml:id="SPEAKER_1"/></metadata></head><body><div>{paragraphs}</div></body></tt>'
    )
    assert turns(read_one(content, "a.ttml")) == [
        ("SPEAKER_1", 0.5, 1.4, "Wie laut?"),
        ("SPEAKER_2", 63.25, 64.0, "Leise."),
    ]


AWS = [
    {"type": "pronunciation", "start_time": "0.5", "end_time": "1.4", "alternatives": [{"content": "Wie laut"}]},
    {"type": "punctuation", "alternatives": [{"content": "?"}]},
    {"type": "pronunciation", "start_time": "2.0", "end_time": "3.0", "alternatives": [{"content": "Leise"}]},
]
VOICES = [
    {"start_time": "0.5", "end_time": "1.4", "speaker_label": "spk_0"},
    {"start_time": "2.0", "end_time": "3.0", "speaker_label": "spk_1"},
]
SPEECHMATICS = [
    {
        "type": "word",
        "start_time": 0.5,
        "end_time": 1.4,
        "alternatives": [{"content": "Wie laut?", "speaker": "spk_0"}],
    },
    {"type": "word", "start_time": 2.0, "end_time": 3.0, "alternatives": [{"content": "Leise", "speaker": "spk_1"}]},
]
AZURE = [
    {"speaker": 0, "offsetMilliseconds": 500, "durationMilliseconds": 900, "text": "Wie laut?"},
    {"speaker": 1, "offsetMilliseconds": 2000, "durationMilliseconds": 1000, "text": "Leise"},
]


@pytest.mark.parametrize(
    "value",
    [
        {"results": {"items": AWS, "speaker_labels": {"speakers": 2, "segments": VOICES}}},
        {"speaker_labels": [{"from": 0.5, "speaker": "spk_0"}, {"from": 2.0, "speaker": "spk_1"}], "items": AWS},
        {"results": SPEECHMATICS},
        {"phrases": AZURE, "speakers": [{"id": 0, "name": "spk_0"}, {"id": 1, "name": "spk_1"}]},
    ],
    ids=["segments beside the words", "labels beside the words", "within the hearing", "milliseconds by name"],
)
def test_where_services_put_speakers(value: object) -> None:
    assert turns(read_one(json.dumps(value), "a.json")) == [
        ("spk_0", 0.5, 1.4, "Wie laut?"),
        ("spk_1", 2.0, 3.0, "Leise"),
    ]


@pytest.mark.parametrize(
    "content",
    [
        "Sprecher;Beginn;Ende;Text\nAnna;00:00:01;00:00:02;Leise.",
        '"Speaker Name","Start Time","End Time","Text"\n"Anna","00:00:01:12","00:00:02:24","Leise."',
        "Speaker\tTimecode In\tTimecode Out\tTranscript\nAnna\t00:00:01,0\t00:00:02,0\tLeise.",
    ],
)
def test_columns_have_many_names(content: str) -> None:
    assert turns(read_one(content, "a.csv")) == [("Anna", 1.0, 2.0, "Leise.")]


def test_headings_and_a_footer_around_text_with_times() -> None:
    content = (
        "# Folge 7\n\n**Anna Weber** (0:00)\n\nWillkommen.\n\n## Schall\n\n**Ben Okafor** (0:20)\n\nDanke.\n\n"
        "**Anna Weber** (0:30)\n\nGern.\n\nTranscribed by https://otter.ai\n"
    )
    document = read_one(content, "a.md")
    assert [(block.kind, document.text[block.start : block.end]) for block in document.blocks if block.level] == [
        ("heading", "Folge 7"),
        ("heading", "Schall"),
    ]
    assert [(turn[0], turn[1], turn[3]) for turn in turns(document)] == [
        ("Anna Weber", 0.0, "Willkommen."),
        ("Ben Okafor", 20.0, "Danke."),
        ("Anna Weber", 30.0, "Gern."),
    ]


@pytest.mark.parametrize(
    ("texts", "speakers"),
    [
        (["[Anna Weber] Hallo.", "[Ben Okafor] Ja.", "[Anna Weber] Gut."], ["Anna Weber", "Ben Okafor", "Anna Weber"]),
        (["[Musik] Hallo.", "Ja.", "[Lachen] Gut.", "[Musik] Ende."], [None]),
        (["♪ Lied ♪", "♪ ♪"], [None]),
    ],
)
def test_names_and_sounds_in_brackets(texts: list[str], speakers: list[str | None]) -> None:
    content = "".join(f"{at}\n00:00:{at:02},000 --> 00:00:{at:02},900\n{text}\n\n" for at, text in enumerate(texts, 1))
    document = read_one(content, "a.srt")
    assert [turn[0] for turn in turns(document)] == speakers
    assert "♪" not in document.text


SPOKEN = [
    "Ich sehe das anders, du nicht?",
    "Ja, genau.",
    "Was meinst du?",
    "Mir fehlt noch etwas.",
    "Nein.",
    "Gut, ja.",
]


def conversation(*names: str, form: str = "{}: {}") -> str:
    return "# Folge 7\n\n" + "\n\n".join(
        form.format(names[at % len(names)], text) for at, text in enumerate(SPOKEN * 2)
    )


@pytest.mark.parametrize(
    ("content", "speakers"),
    [
        (conversation("Anna Weber", "Ben Okafor"), ["Anna Weber", "Ben Okafor"]),
        (conversation("Anna Weber", "Ben Okafor", form="{}:\n\n{}"), ["Anna Weber", "Ben Okafor"]),
        (conversation("Anna Weber", "Ben Okafor", form="{}:\n{}"), ["Anna Weber", "Ben Okafor"]),
        (conversation("Speaker 0", "Speaker 1"), ["Speaker 0", "Speaker 1"]),
        (conversation("Anna", "Ben"), ["Anna", "Ben"]),
        ("Ort: Hof\n\n" + conversation("Anna", "Ben"), ["Anna", "Ben"]),
        (conversation("Frage", "Antwort"), []),
        (conversation("Q", "A"), []),
        (conversation("Anna", "Ben").replace("ja", "12").replace("I", "E").replace("?", ".").replace("u", "o"), []),
        (
            "\n\n".join(f"Technische Daten: {n} kW.\n\nHohe Leistung: {n} bar.\n\nPreis: {n} Euro." for n in range(9)),
            [],
        ),
        (conversation("Anna Weber", "Ben Okafor")[:120], []),
    ],
)
@pytest.mark.parametrize("ending", ["md", "txt"])
def test_conversations_with_plain_names(content: str, speakers: list[str], ending: str) -> None:
    document = read_one(content, f"a.{ending}")
    found = turns(document)
    assert sorted({turn[0] or "" for turn in found}) == speakers
    if speakers:
        assert [turn[3] for turn in found] == SPOKEN * 2
        assert all(turn[1] is None for turn in found)


def test_a_time_may_stand_behind_the_colon_of_a_name() -> None:
    said = (
        "Speaker 0: 00:00:16\n\nLive from here.\nHello.\n\nSpeaker 1: 00:01:10 \n\nHi.\n\nSpeaker 0: 01:02:03\n\nBye.\n"
    )
    document = read_one(f"---\ntitle: Folge\n---\n## Intro\n\n{said}", "a.md")
    assert [(turn[0], turn[1], turn[3]) for turn in turns(document)] == [
        ("Speaker 0", 16.0, "Live from here. Hello."),
        ("Speaker 1", 70.0, "Hi."),
        ("Speaker 0", 3723.0, "Bye."),
    ]
    assert document.title == "Folge"


def test_times_of_news_make_no_transcript_of_a_page() -> None:
    news = "".join(
        f"<li><time datetime='2026-03-04'>{hour}:{hour}</time> <a href='x'>Meldung</a></li>" for hour in (12, 11, 10)
    )
    page = f"<html><body><ul>{news}</ul><article><h1>Seite</h1><p>Ein Satz, der hier steht.</p></article></body></html>"
    assert read_one(page, "a.html").reader.startswith("html/")
