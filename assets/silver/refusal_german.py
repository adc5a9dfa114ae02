"""German for the details of refusals, which are stored in English: by templates, one for each way to say something."""

from __future__ import annotations

import re
from functools import cache

_TEMPLATES = {
    # a file and what is wrong in it, a line and what is wrong on it
    "line {}: {}": "Zeile {}: {de}",
    "{}.yaml: {}": "{}.yaml: {de}",
    "{}.yml: {}": "{}.yml: {de}",
    "{}.md: {}": "{}.md: {de}",
    "{}: the front matter cannot be understood": "{}: Der Kopf der Datei ist nicht verständlich",
    "{}: {} given nowhere": "{}: Nirgends angegeben: {}",
    "{}: the name must be {}": "{}: Der Name muss {} sein",
    "{}: is no file of the inbox": "{}: Ist keine Datei des Eingangsordners",
    "{}: may not be read by the pipeline": "{}: Die Verarbeitung darf sie nicht lesen",
    # sizes and counts
    "{}, {} are allowed": "{}, erlaubt sind {}",
    "larger than the limit of {}": "größer als die Grenze von {}",
    "{} of memory were not enough": "{} Arbeitsspeicher reichten nicht",
    "more than {} s of computing": "mehr als {} s Rechenzeit",
    "no answer within {} s": "keine Antwort innerhalb von {} s",
    "text recognition got through {} of {} pages": "die Texterkennung schaffte {} von {} Seiten",
    "more than {} entries in the archive": "mehr als {} Einträge im Archiv",
    "more than {} entries": "mehr als {} Einträge",
    "more than {} messages": "mehr als {} Nachrichten",
    "more than {} parts": "mehr als {} Teile",
    "more than {} passages": "mehr als {} Abschnitte",
    "more than {} paragraphs": "mehr als {} Absätze",
    "more than {} filled cells": "mehr als {} gefüllte Zellen",
    "more than {} different texts in cells": "mehr als {} verschiedene Texte in Zellen",
    "it unpacks to more than {} times its size": "entpackt ist es mehr als {}-mal so groß",
    "it unpacks to more than {}": "entpackt sind es mehr als {}",
    "{} unpacks to more than {}": "{} wird entpackt größer als {}",
    "its text is larger than what may be unpacked": "ihr Text ist größer, als entpackt werden darf",
    "1 page without text": "1 Seite ohne Text",
    "{} pages without text": "{} Seiten ohne Text",
    "{} pages": "{} Seiten",
    "{} slides": "{} Folien",
    "{} sheets": "{} Blätter",
    "{} cues": "{} Untertitel",
    "{} passages": "{} Abschnitte",
    "{} lines": "{} Zeilen",
    "{} bytes": "{} Bytes",
    # nesting
    "HTML deeper than {} levels": "HTML mit mehr als {} Ebenen",
    "XML deeper than {} levels": "XML mit mehr als {} Ebenen",
    "JSON of more levels than any transcript has": "JSON mit mehr Ebenen, als ein Transkript hat",
    "{} is nested deeper than {} elements": "{} ist tiefer als {} Elemente verschachtelt",
    "groups of the RTF": "Gruppen des RTF",
    "parts of the message": "Teile der Nachricht",
    "documents within documents": "Dokumente in Dokumenten",
    "messages within messages": "Nachrichten in Nachrichten",
    "the YAML is nested deeper than {} levels": "das YAML ist tiefer als {} Ebenen verschachtelt",
    # damage
    "the XML of {} cannot be understood": "das XML von {} ist nicht verständlich",
    "the XML cannot be understood": "das XML ist nicht verständlich",
    "the JSON cannot be understood": "das JSON ist nicht verständlich",
    "the YAML cannot be understood": "das YAML ist nicht verständlich",
    "the YAML cannot be understood: {}": "das YAML ist nicht verständlich: {de}",
    "a text that holds a colon must stand in quotation marks": "ein Text mit einem Doppelpunkt muss in"
    " Anführungszeichen stehen",
    "a text that begins with a special sign must stand in quotation marks": "ein Text, der mit einem Sonderzeichen"
    " beginnt, muss in Anführungszeichen stehen",
    "a quotation mark is opened and never closed": "ein Anführungszeichen wird geöffnet und nie geschlossen",
    "a bracket is opened and never closed": "eine Klammer wird geöffnet und nie geschlossen",
    "lines are indented with spaces, never with tabs": "Zeilen werden mit Leerzeichen eingerückt, nie mit Tabulatoren",
    "the YAML is not a list of keys and values": "das YAML ist keine Liste von Schlüsseln und Werten",
    "YAML aliases are not allowed": "Verweise (Aliase) im YAML sind nicht erlaubt",
    "the TOML front matter cannot be understood": "das TOML am Anfang der Datei ist nicht verständlich",
    "the JSON front matter cannot be understood": "das JSON am Anfang der Datei ist nicht verständlich",
    "the front matter is opened and never closed": "der Kopf der Datei wird begonnen und nie beendet",
    "the front matter is longer than {} characters": "der Kopf der Datei ist länger als {} Zeichen",
    "text behind the end of the JSON": "Text hinter dem Ende des JSON",
    "a number in the JSON cannot be understood": "eine Zahl im JSON ist nicht verständlich",
    "the RTF cannot be understood": "das RTF ist nicht verständlich",
    "the message cannot be understood": "die Nachricht ist nicht verständlich",
    "the table cannot be understood": "die Tabelle ist nicht verständlich",
    "a cue cannot be understood": "ein Untertitel ist nicht verständlich",
    "the archive's directory cannot be understood": "das Inhaltsverzeichnis des Archivs ist nicht verständlich",
    "the file structure cannot be understood ({})": "der Aufbau der Datei ist nicht verständlich ({})",
    "the package does not say where its document is": "das Paket sagt nicht, wo sein Dokument liegt",
    "{} has no body": "{} hat keinen Rumpf",
    "{} is missing": "{} fehlt",
    "{} is damaged": "{} ist beschädigt",
    "{} is empty": "{} ist leer",
    "no page can be read": "keine Seite ist lesbar",
    "no line begins with a time": "keine Zeile beginnt mit einer Zeit",
    "no paragraph follows a time": "auf keine Zeit folgt ein Absatz",
    "no paragraph has text and times": "kein Absatz hat Text und Zeiten",
    "no cue was found where the first should be": "wo der erste Untertitel stehen sollte, ist keiner",
    "none of the {} cues has text and times that can be understood": "keiner der {} Untertitel hat Text und"
    " verständliche Zeiten",
    "none of the {} passages has text and times that can be understood": "keiner der {} Abschnitte hat Text und"
    " verständliche Zeiten",
    "none of the {} rows has a text and times that can be understood": "keine der {} Zeilen hat Text und"
    " verständliche Zeiten",
    "none of the {} entries is published": "keiner der {} Einträge ist veröffentlicht",
    "no entries": "keine Einträge",
    "a forwarded message": "eine weitergeleitete Nachricht",
    "no text, and no attachment that can be read": "kein Text und kein lesbarer Anhang",
    "its answer makes no sense": "seine Antwort ergibt keinen Sinn",
    "the reader ended": "das Leseprogramm endete",
    "an entity declaration or reference in the document type": "eine Entität im Dokumenttyp",
    "the document type of {} declares entities": "der Dokumenttyp von {} deklariert Entitäten",
    # passwords and encodings
    "the archive has members with a password": "das Archiv enthält Teile mit Kennwort",
    "{} needs a password": "{} braucht ein Kennwort",
    "the message is encrypted": "die Nachricht ist verschlüsselt",
    "marked as {}, but byte {} does not belong to it": "als {} gekennzeichnet, aber Byte {} gehört nicht dazu",
    "neither UTF-8 nor clearly one of the older Western encodings": "weder UTF-8 noch erkennbar eine der älteren"
    " westlichen Kodierungen",
    # formats
    "the content is {}": "der Inhalt ist {de}",
    "named {}, and does not begin with the header of a message": "benannt {}, aber ohne den Kopf einer Nachricht",
    "named .rtf, and its beginning is missing": "benannt .rtf, aber der Anfang fehlt",
    "files named {} are not read": "Dateien mit der Endung {} werden nicht gelesen",
    "a ZIP archive that is no document": "ein ZIP-Archiv, das kein Dokument ist",
    "JSON without a list of entries": "JSON ohne eine Liste von Einträgen",
    "a table that is no transcript, without columns for a start and a text": "eine Tabelle, die kein Transkript ist,"
    " ohne Spalten für Beginn und Text",
    "an Apple document (Pages, Numbers or Keynote)": "ein Apple-Dokument (Pages, Numbers oder Keynote)",
    "an e-book (EPUB)": "ein E-Book (EPUB)",
    "XML that is no feed": "XML, das kein Feed ist",
    "XML, and neither a feed nor a transcript": "XML, und weder Feed noch Transkript",
    "XML without text": "XML ohne Text",
    "an Outlook message; save it as .eml": "eine Outlook-Nachricht; speichern Sie sie als .eml",
    "a Word document; save it as .docx": "ein Word-Dokument; speichern Sie es als .docx",
    "a presentation; save it as .pptx": "eine Präsentation; speichern Sie sie als .pptx",
    "a workbook; save it as .xlsx": "eine Arbeitsmappe; speichern Sie sie als .xlsx",
    "no list of passages was found; expected are for instance {} (Whisper), {} (Podcasting 2.0), or {}": "keine Liste"
    " von Abschnitten gefunden; erwartet werden zum Beispiel {} (Whisper), {} (Podcasting 2.0) oder {}",
    "binary": "binär",
    "an MP4 recording": "eine MP4-Aufnahme",
    "an MP3 recording": "eine MP3-Aufnahme",
    "an Ogg recording": "eine Ogg-Aufnahme",
    "a FLAC recording": "eine FLAC-Aufnahme",
    "a WAV, AVI or WebP file": "eine WAV-, AVI- oder WebP-Datei",
    "a Matroska or WebM file": "eine Matroska- oder WebM-Datei",
    "a {} archive": "ein {}-Archiv",
    "an xz archive": "ein xz-Archiv",
    "a {} image": "ein {}-Bild",
    "a program": "ein Programm",
    "a database": "eine Datenbank",
    "a PostScript file": "eine PostScript-Datei",
    "a subtitle file of television (EBU STL)": "eine Untertiteldatei des Fernsehens (EBU STL)",
    "a subtitle file with styles (ASS or SSA)": "eine Untertiteldatei mit Formaten (ASS oder SSA)",
    "a file of encoded captions (SCC)": "eine Datei mit kodierten Untertiteln (SCC)",
    # places in the inbox
    "the folder must be named {}": "der Ordner muss {} heißen",
    "a folder without permission": "ein Ordner ohne Leserecht",
    "a link that leads nowhere": "ein Verweis, der nirgendwohin führt",
    "a link that leaves the inbox": "ein Verweis, der aus dem Eingangsordner hinausführt",
    "a link to a folder": "ein Verweis auf einen Ordner",
    "no regular file": "keine gewöhnliche Datei",
    "the name holds characters that cannot be shown": "der Name enthält Zeichen, die sich nicht darstellen lassen",
    "another file has the same name in another Unicode spelling": "eine andere Datei hat denselben Namen in anderer"
    " Unicode-Schreibweise",
    # policies
    "cannot be understood": "ist nicht verständlich",
    "is empty": "ist leer",
    "is larger than {} KiB": "ist größer als {} KiB",
    "{} is given twice": "{} ist doppelt angegeben",
    "unknown key {} (known: {})": "unbekannter Schlüssel {} (bekannt: {})",
    "access must hold {} or {}": "access muss {} oder {} enthalten",
    "access must be written in lower case": "access muss klein geschrieben sein",
    "tenant must be one name of lower-case letters, digits, - and _": "tenant muss ein Name aus Kleinbuchstaben,"
    " Ziffern, - und _ sein",
    "roles must be a list of at least one role name, like [everyone]": "roles muss eine Liste mit mindestens einer"
    " Rolle sein, etwa [everyone]",
    "clearance must be one of {}": "clearance muss eines von {} sein",
    "ttl must be days, weeks or years like 30d, 12w, 1y, a number of days, or never": "ttl muss Tage, Wochen oder Jahre"
    " angeben wie 30d, 12w, 1y, eine Zahl von Tagen oder never",
    "refresh must be days, weeks or years like 180d, 26w, 1y, a day like 2027-01-31, or never": "refresh muss Tage,"
    " Wochen oder Jahre angeben wie 180d, 26w, 1y, einen Tag wie 2027-01-31 oder never",
    "readable_names must be a list of names like [Aylin Demir] or patterns like [/Prof. .+/]": "readable_names muss"
    " eine Liste von Namen wie [Aylin Demir] oder Mustern wie [/Prof. .+/] sein",
    "readable_names holds an entry longer than {} characters": "readable_names enthält einen Eintrag mit mehr als {}"
    " Zeichen",
    "readable_names holds a pattern that repeats a group, or more than {} times without end": "readable_names enthält"
    " ein Muster, das eine Gruppe wiederholt oder mehr als {} Wiederholungen ohne Ende hat",
    "readable_names holds a pattern that is no regular expression": "readable_names enthält ein Muster, das kein"
    " regulärer Ausdruck ist",
    "readable_names holds a pattern that matches the empty text": "readable_names enthält ein Muster, das auf den"
    " leeren Text passt",
    "metadata must hold keys and values": "metadata muss Schlüssel und Werte enthalten",
    "metadata has a key {} that is not allowed": "metadata hat einen Schlüssel {}, der nicht erlaubt ist",
    "metadata {} must be a text, a number, or a list of these": "metadata {} muss ein Text, eine Zahl oder eine Liste"
    " davon sein",
    "{} must be a text or a list of texts": "{} muss ein Text oder eine Liste von Texten sein",
    "{} must be a text": "{} muss ein Text sein",
    # screening
    "{}, first at character {}": "{}, zuerst bei Zeichen {}",
    "{}, in what readers do not see": "{}, in dem, was Leser nicht sehen",
}
"""English and German; `{}` is passed on as it is, the last one as German where the German side writes `{de}`."""


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], str], ...]:
    found = []
    for english, german in _TEMPLATES.items():
        pattern = re.escape(english).replace(re.escape("{}"), "(.+?)")
        found.append((re.compile(pattern, re.DOTALL), german))
    return tuple(found)


def detail_in_german(detail: str) -> str:
    """The detail of a refusal in German; as it is where it is a name or a number, or nobody has said it in German."""
    half_said = detail
    for pattern, german in _patterns():
        match = pattern.fullmatch(detail)
        if match is None:
            continue
        *values, last = match.groups() or ("",)
        if not german.endswith("{de}"):
            return german.format(*values, last)
        inner = detail_in_german(last)
        said = german.replace("{de}", "{}").format(*values, inner)
        if inner != last:
            return said
        half_said = said if half_said == detail else half_said  # a later template may say all of it
    return half_said
