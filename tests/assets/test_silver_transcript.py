"""Cues become turns without losing a word."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from assets.silver.readers.cue import Cue
from assets.silver.readers.transcript import MAX_CHARACTERS, MAX_SECONDS, turns_of

WORDS = st.text("abcäÜ.?!", min_size=1, max_size=12)
CUES = st.lists(
    st.builds(
        lambda start, length, lines, speaker, new: Cue(
            start, start + length, tuple(map(" ".join, lines)), speaker, new
        ),
        st.integers(0, 4000).map(float),
        st.integers(0, 50).map(float),
        st.lists(st.lists(WORDS, min_size=1, max_size=30), min_size=1, max_size=1),
        st.sampled_from([None, "Aylin", "Jonas"]),
        st.booleans(),
    ),
    max_size=40,
    unique_by=lambda cue: cue.text,
)


def prefix_free(cues: list[Cue]) -> bool:
    """No cue begins with the whole text of another, as captions that grow do."""
    return not any(a is not b and b.text.startswith(f"{a.text} ") for a in cues for b in cues)


@given(CUES.filter(prefix_free))
def test_all_words_stay_in_order_of_time(cues: list[Cue]) -> None:
    ordered = sorted(cues, key=lambda cue: cue.start_s)
    turns = turns_of(cues)
    assert " ".join(turn.text for turn in turns).split() == " ".join(cue.text for cue in ordered).split()


@given(CUES.filter(prefix_free))
def test_turns_have_one_voice_and_bounded_length(cues: list[Cue]) -> None:
    for turn in turns_of(cues):
        assert len(turn.text) <= MAX_CHARACTERS
        assert 0 <= turn.end_s - turn.start_s <= MAX_SECONDS
        assert turn.speaker in {cue.speaker for cue in cues}


def test_turns_end_with_sentences() -> None:
    sentence = "Das ist ein ganzer Satz mit einigen Wörtern darin."
    half = len(sentence) // 2
    cues = [
        Cue(float(second), second + 1.0, (part.strip(),), "Aylin")
        for second, part in enumerate(part for _ in range(60) for part in (sentence[:half], sentence[half:]))
    ]
    turns = turns_of(cues)
    assert len(turns) > 1
    assert all(turn.text.endswith("darin.") for turn in turns)


def test_dates_and_abbreviations_end_no_sentence() -> None:
    text = "Am 26. Mai kam Dr. Demir, z. B. mit Plänen. "
    turns = turns_of([Cue(0.0, 59.0, (text * 30,))])
    assert all(turn.text.endswith("Plänen.") for turn in turns)


def test_a_word_longer_than_a_turn_is_not_cut() -> None:
    word = "x" * 2000
    assert [turn.text for turn in turns_of([Cue(0.0, 1.0, (f"vor {word} nach",))])] == ["vor", word, "nach"]


def test_rolling_captions_lose_their_repetitions() -> None:
    cues = [
        Cue(0.0, 2.0, ("so today we talk",)),
        Cue(2.0, 2.01, ("so today we talk",)),
        Cue(2.01, 4.0, ("so today we talk", "about heat pumps")),
        Cue(4.0, 4.01, ("about heat pumps",)),
        Cue(4.01, 6.0, ("about heat pumps", "in old houses")),
        Cue(6.0, 8.0, ("in old houses", "and new ones")),
    ]
    assert [turn.text for turn in turns_of(cues)] == ["so today we talk about heat pumps in old houses and new ones"]


def test_captions_that_grow_lose_their_repetitions() -> None:
    words = "so today we talk about heat".split()
    cues = [Cue(float(n), n + 1.0, (" ".join(words[: n + 1]),)) for n in range(len(words))]
    assert [turn.text for turn in turns_of(cues)] == ["so today we talk about heat"]


def test_what_is_said_twice_stays_said_twice() -> None:
    cues = [Cue(0.0, 1.0, ("Ja.",)), Cue(1.0, 2.0, ("Ja.",)), Cue(2.0, 3.0, ("Ja.",)), Cue(3.0, 4.0, ("Gut.",))]
    assert [turn.text for turn in turns_of(cues)] == ["Ja. Ja. Ja. Gut."]
