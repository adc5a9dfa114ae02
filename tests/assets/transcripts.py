"""One episode, written in every format that transcripts come in."""

from __future__ import annotations

import json
from collections.abc import Sequence

Spoken = tuple[float, float, str, str]
"""Start and end in seconds, speaker, text."""

EPISODE: tuple[Spoken, ...] = (
    (0.0, 4.2, "Aylin Demir", "Willkommen zur Wärmewende, dem Podcast"),
    (4.2, 7.04, "Aylin Demir", "über Heizungen im Altbau. Heute mit Jonas."),
    (7.5, 11.999, "Jonas Petersen", "Danke! Wir reden über Fördermittel & Propan,"),
    (11.999, 14.0, "Jonas Petersen", "und über Lärm im Hinterhof."),
    (75.25, 80.5, "Aylin Demir", "Nach der Musik: Wie laut ist so ein Gerät?"),
    (3723.004, 3725.5, "Jonas Petersen", "Leiser als ein Kühlschrank."),
)
TURNS = (
    ("Aylin Demir", 0.0, 7.04, "Willkommen zur Wärmewende, dem Podcast über Heizungen im Altbau. Heute mit Jonas."),
    ("Jonas Petersen", 7.5, 14.0, "Danke! Wir reden über Fördermittel & Propan, und über Lärm im Hinterhof."),
    ("Aylin Demir", 75.25, 80.5, "Nach der Musik: Wie laut ist so ein Gerät?"),
    ("Jonas Petersen", 3723.004, 3725.5, "Leiser als ein Kühlschrank."),
)


def clock(seconds: float, mark: str = ".") -> str:
    """`00:01:02.500`."""
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}{mark}{rest % 1000:03d}"


def vtt(episode: Sequence[Spoken]) -> str:
    """WebVTT with voices; text is escaped as its standard wants."""
    cues = (
        f"{clock(start)} --> {clock(end)}\n<v {speaker}>{text.replace('&', '&amp;')}</v>\n"
        for start, end, speaker, text in episode
    )
    return "WEBVTT\n\n" + "\n".join(cues)


def srt(episode: Sequence[Spoken]) -> str:
    """SubRip that names whoever begins to speak."""
    return "\n".join(
        f"{number}\n{clock(start, ',')} --> {clock(end, ',')}\n{said}\n"
        for number, (start, end, said) in enumerate(_labelled(episode), start=1)
    )


def sbv(episode: Sequence[Spoken]) -> str:
    """YouTube's format."""
    return "\n".join(f"{clock(start)[1:]},{clock(end)[1:]}\n{said}\n" for start, end, said in _labelled(episode))


def podcasting20(episode: Sequence[Spoken]) -> str:
    """JSON of Podcasting 2.0."""
    segments = [
        {"speaker": speaker, "startTime": start, "endTime": end, "body": text} for start, end, speaker, text in episode
    ]
    return json.dumps({"version": "1.0.0", "segments": segments})


def whisper(episode: Sequence[Spoken]) -> str:
    """JSON of Whisper, with speakers as WhisperX adds them."""
    segments = [
        {"id": number, "seek": 0, "start": start, "end": end, "text": f" {text}", "speaker": speaker, "tokens": [1, 2]}
        for number, (start, end, speaker, text) in enumerate(episode)
    ]
    whole = " ".join(text for *_, text in episode)
    return json.dumps({"text": whole, "segments": segments, "language": "de"}, ensure_ascii=False)


def utterances(episode: Sequence[Spoken]) -> str:
    """JSON of speech services that count milliseconds."""
    items = [
        {"speaker": speaker, "start": round(start * 1000), "end": round(end * 1000), "text": text, "confidence": 0.9}
        for start, end, speaker, text in episode
    ]
    return json.dumps({"language_code": "de", "audio_duration": 3726, "utterances": items})


def tsv(episode: Sequence[Spoken]) -> str:
    """Whisper's table, with the speakers in the text."""
    rows = (f"{round(start * 1000)}\t{round(end * 1000)}\t{said}" for start, end, said in _labelled(episode))
    return "\n".join(("start\tend\ttext", *rows))


def ttml(episode: Sequence[Spoken]) -> str:
    """TTML with agents."""
    names = sorted({speaker for _, _, speaker, _ in episode})
    agents = "".join(
        f'<ttm:agent type="person" xml:id="a{number}"><ttm:name type="full">{name}</ttm:name></ttm:agent>'
        for number, name in enumerate(names)
    )
    lines = "".join(
        f'<p begin="{clock(start)}" end="{clock(end)}" ttm:agent="a{names.index(speaker)}">'
        f"{text.replace('&', '&amp;')}</p>"
        for start, end, speaker, text in episode
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<tt xmlns="http://www.w3.org/ns/ttml"'
        ' xmlns:ttm="http://www.w3.org/ns/ttml#metadata" xml:lang="de"><head><metadata>'
        f"{agents}</metadata></head><body><div>{lines}</div></body></tt>"
    )


def _labelled(episode: Sequence[Spoken]) -> list[tuple[float, float, str]]:
    """Text with the speaker's name where another one spoke before."""
    before: str | None = None
    said = []
    for start, end, speaker, text in episode:
        said.append((start, end, text if speaker == before else f"{speaker}: {text}"))
        before = speaker
    return said
