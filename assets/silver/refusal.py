"""Why a file is refused: a closed list of reasons, each with a sentence for the person who dropped it."""

from __future__ import annotations

from dataclasses import dataclass

STAGES = ("policy", "read", "redact", "screen")


@dataclass(frozen=True)
class Reason:
    """The stage that refuses and what the content editor is told."""

    stage: str
    de: str
    en: str


REASONS: dict[str, Reason] = {
    "no_policy": Reason(
        "policy",
        "Für diese Datei gilt keine Zugriffsregel. Legen Sie eine _policy.yaml mit tenant, roles und clearance in den"
        " Ordner.",
        "No access policy covers this file. Put a _policy.yaml with tenant, roles and clearance into its folder.",
    ),
    "bad_policy": Reason(
        "policy",
        "Die Zugriffsregel dieser Datei ist nicht lesbar. Bitte korrigieren Sie die genannte Stelle.",
        "The access policy of this file cannot be understood. Please correct the place that is named.",
    ),
    "outside_source": Reason(
        "policy",
        "Die Datei liegt in keinem Quellordner. Verschieben Sie sie nach blog/, podcast/ oder document/.",
        "The file lies in no source folder. Move it to blog/, podcast/ or document/.",
    ),
    "link_outside": Reason(
        "policy",
        "Der Verweis führt aus dem Eingangsordner hinaus. Legen Sie die Datei selbst ab.",
        "The symbolic link leads out of the inbox. Drop the file itself.",
    ),
    "bad_name": Reason(
        "policy",
        "Der Dateiname ist nicht darstellbar oder doppelt vergeben. Benennen Sie die Datei um.",
        "The file name cannot be shown, or another file has the same one. Rename the file.",
    ),
    "erased": Reason(
        "policy",
        "Der Inhalt dieser Datei wurde endgültig gelöscht und darf nicht zurückkehren. Entfernen Sie die Datei, oder"
        " nehmen Sie die betroffenen Stellen heraus und speichern Sie sie neu.",
        "The content of this file was erased for good and must not come back. Remove the file, or take the passages"
        " concerned out of it and save it again.",
    ),
    "too_large": Reason(
        "read",
        "Die Datei ist größer als erlaubt. Teilen Sie sie auf oder bitten Sie um eine höhere Grenze.",
        "The file is larger than allowed. Split it, or ask for a higher limit.",
    ),
    "too_many_pages": Reason(
        "read",
        "Die Datei hat mehr Seiten, Folien oder Blätter als erlaubt. Teilen Sie sie auf.",
        "The file has more pages, slides or sheets than allowed. Split it.",
    ),
    "too_many_entries": Reason(
        "read",
        "Die Datei enthält mehr Einträge als erlaubt. Teilen Sie sie auf.",
        "The file holds more entries than allowed. Split it.",
    ),
    "too_many_cues": Reason(
        "read",
        "Das Transkript enthält mehr Untertitel als erlaubt. Teilen Sie es auf.",
        "The transcript holds more cues than allowed. Split it.",
    ),
    "unpacks_too_large": Reason(
        "read",
        "Die Datei wird beim Entpacken viel größer als erlaubt. Speichern Sie ihren Inhalt einzeln und unverpackt.",
        "The file grows far beyond what is allowed when it is unpacked. Save what it holds one by one, unpacked.",
    ),
    "nested_too_deep": Reason(
        "read",
        "Der Inhalt der Datei ist zu tief verschachtelt. Exportieren Sie ihn in einfacherer Form.",
        "The content of the file is nested too deeply. Export it in a simpler form.",
    ),
    "too_slow": Reason(
        "read",
        "Das Lesen der Datei dauert länger als erlaubt. Exportieren Sie sie neu oder teilen Sie sie auf.",
        "Reading the file takes longer than allowed. Export it again, or split it.",
    ),
    "too_much_memory": Reason(
        "read",
        "Das Lesen der Datei braucht mehr Speicher als erlaubt. Teilen Sie sie auf oder exportieren Sie sie neu.",
        "Reading the file takes more memory than allowed. Split it, or export it again.",
    ),
    "reader_crashed": Reason(
        "read",
        "Die Datei hat das Leseprogramm zum Absturz gebracht. Exportieren Sie sie neu oder in einem anderen Format.",
        "The file made the reader crash. Export it again, or in another format.",
    ),
    "empty": Reason(
        "read",
        "Die Datei enthält keinen Text.",
        "The file holds no text.",
    ),
    "unknown_format": Reason(
        "read",
        "Dieses Dateiformat wird nicht gelesen. Legen Sie den Inhalt als Markdown, Text, PDF, Word, Excel oder"
        " PowerPoint ab, Aufnahmen als Transkript (WebVTT oder SRT).",
        "This file format is not read. Drop its content as Markdown, text, PDF, Word, Excel or PowerPoint, recordings"
        " as a transcript (WebVTT or SRT).",
    ),
    "legacy_office": Reason(
        "read",
        "Dieses alte Office-Format wird nicht gelesen. Speichern Sie die Datei als .docx, .xlsx oder .pptx.",
        "This old Office format is not read. Save the file as .docx, .xlsx or .pptx.",
    ),
    "archive": Reason(
        "read",
        "Archive werden nicht entpackt. Legen Sie die Dateien einzeln ab, die das Archiv enthält.",
        "Archives are not unpacked. Drop the files that the archive holds, one by one.",
    ),
    "unknown_encoding": Reason(
        "read",
        "Die Zeichenkodierung ist nicht sicher erkennbar. Speichern Sie die Datei als UTF-8.",
        "The character encoding cannot be told for certain. Save the file as UTF-8.",
    ),
    "malformed": Reason(
        "read",
        "Die Datei ist beschädigt oder hält sich nicht an ihr Format. Exportieren Sie sie neu.",
        "The file is damaged or does not keep to its format. Export it again.",
    ),
    "bad_front_matter": Reason(
        "read",
        "Die Angaben am Anfang der Datei (zwischen den Zeilen --- oder +++) sind nicht verständlich. Bitte korrigieren"
        " Sie die genannte Stelle.",
        "What stands at the top of the file (between the lines --- or +++) cannot be understood. Please correct the"
        " place that is named.",
    ),
    "lone_sidecar": Reason(
        "read",
        "Eine .yaml-Datei ist kein Inhalt, sondern beschreibt die Datei neben ihr, nach der sie heißt (bericht.pdf.yaml"
        " zu bericht.pdf), und eine solche fehlt. Benennen Sie sie nach ihrer Datei, oder entfernen Sie sie.",
        "A .yaml file is no content: it describes the file beside it that it is named after (report.pdf.yaml for"
        " report.pdf), and there is none. Name it after its file, or remove it.",
    ),
    "xml_entities": Reason(
        "read",
        "Das XML der Datei definiert eigene Kürzel (Entitäten), mit denen sich fremde Dateien einlesen oder riesige"
        " Texte erzeugen lassen. Exportieren Sie die Datei neu, ohne diese Deklaration.",
        "The XML of the file declares entities, with which other files can be read in or huge texts made. Export the"
        " file again without that declaration.",
    ),
    "encrypted": Reason(
        "read",
        "Die Datei ist mit einem Kennwort geschützt. Speichern Sie sie ohne Kennwort.",
        "The file is protected by a password. Save it without one.",
    ),
    "no_text_layer": Reason(
        "read",
        "Die PDF-Datei enthält nur Bilder (Scan) und keine Textebene. Lassen Sie zuerst eine Texterkennung (OCR)"
        " laufen.",
        "The PDF holds only images (a scan) and no text layer. Run text recognition (OCR) on it first.",
    ),
    "attack": Reason(
        "screen",
        "Die Datei enthält Anweisungen an ein Sprachmodell oder versteckten Text. Entfernen Sie die genannten Stellen,"
        " oder lassen Sie die Regel des Ordners prüfen.",
        "The file holds instructions to a language model, or hidden text. Remove what is named, or have the folder's"
        " policy reviewed.",
    ),
    "source_not_allowed": Reason(
        "screen",
        "Dateien dieses Mandanten dürfen nicht aus dieser Quelle kommen (allowed_sources). Legen Sie die Datei in einen"
        " erlaubten Ordner.",
        "Files of this tenant may not come from this source (allowed_sources). Put the file into an allowed folder.",
    ),
}


LIMITED = frozenset(
    "too_large too_many_pages too_many_entries too_many_cues unpacks_too_large nested_too_deep too_slow too_much_memory"
    " reader_crashed no_text_layer".split()
)
"""Reasons that depend on what a file is allowed: such files are read again when the limits change."""


class RefusedError(Exception):
    """Permanent: this file will not become a document until somebody changes it.

    Args:
        code: a key of `REASONS`.
        detail: what exactly was found, e.g. `line 3: …`; never content of the file.
        reader: reader and version that refused it, where one was chosen.
    """

    def __init__(self, code: str, detail: str | None = None, *, reader: str | None = None) -> None:
        self.reason = REASONS[code]
        self.code = code
        self.detail = detail
        self.reader = reader
        super().__init__(f"{self.reason.en} ({detail})" if detail else self.reason.en)
