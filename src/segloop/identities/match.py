"""Is this the patient whom somebody looks for? By a whole ID or accession number, or by the beginnings of names."""

import re
import unicodedata

from segloop.imaging.dicom.identity import Identity

FEWEST_LETTERS = 2
"""Of a name: one letter would list half of the hospital."""


def matches(identity: Identity, text: str) -> bool:
    """Say whether a text is the patient's ID, the accession number, or the beginnings of parts of the patient's name.

    Letters' case, accents and the order of the name's parts don't matter: "doe j", "Jane" and "DOE, JANE" find Doe^Jane.
    """
    wanted = _folded(text.strip())
    if wanted and wanted in (_folded(identity.patient_id), _folded(identity.accession)):
        return True
    parts = _words(wanted)
    if sum(map(len, parts)) < FEWEST_LETTERS:
        return False
    names = _words(_folded(identity.patient_name))
    return all(any(name.startswith(part) for name in names) for part in parts)


def _folded(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text)
    return "".join(sign for sign in plain if not unicodedata.combining(sign)).casefold()


def _words(text: str) -> list[str]:
    # A PN has carets between its parts and "=" between its spellings (PS3.5 6.2); people type commas.
    return [word for word in re.split(r"[\s^=,.;]+", text) if word]
