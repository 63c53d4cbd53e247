"""Whose CT it is, on pages: for those who may know, for as long as names are not hidden, and each look on record."""

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import streamlit as st

from segloop.errors import SegloopError
from segloop.schemas import FoundVolumes, Identified, SeriesIdentity, Volume, VolumeIdentity
from ui.api_client import ApiClient
from ui.scripts import HIDE_NAMES_COOKIE, YES, remember_names
from ui.views.here import Here
from ui.views.text import day, explain, person, plain

T = TypeVar("T")

LOOKS_FOR_S = 600.0
"""After how long a page that stays open looks again, and so is recorded again."""
_HIDDEN, _SWITCH = "names_hidden", "names_hidden_switch"
_LOOKS, _SEARCH = "identity_looks", "identity_search"


def switch(here: Here) -> bool:
    """Offer to hide names, to whoever may see them; return whether they are shown."""
    if "identity" not in here.permissions:
        return False
    # A widget's own state ends with its page, and names must stay hidden on the next.
    # A page that is loaded anew is another session, which only the browser's cookie tells; it is asked before anything is shown.
    was_hidden = st.session_state.get(_HIDDEN, st.context.cookies.get(HIDE_NAMES_COOKIE) == YES)
    st.session_state.setdefault(_SWITCH, was_hidden)
    is_hidden = st.toggle(
        "Hide names",
        key=_SWITCH,
        help="Names, IDs, dates and accession numbers leave the pages: for teaching, or when you share your screen.",
    )
    if is_hidden:
        for key in (_LOOKS, _SEARCH):  # they leave this process's memory, too
            st.session_state.pop(key, None)
    st.session_state[_HIDDEN] = is_hidden
    script = remember_names(is_hidden=is_hidden)
    st.html(f"<script>{script}</script>", width="content", unsafe_allow_javascript=True)
    return not is_hidden


def look(api: ApiClient, volumes: Sequence[Volume], *, place: str) -> dict[str, VolumeIdentity]:
    """Return whose CTs these are, by volume, asking once for each volume and place, and again after ten minutes.

    `place` names the page and what is open on it: opening something else is another look.
    """
    ids = [one.id for one in volumes if one.is_dicom]
    return _look(ids, place, lambda wanted: {item.volume_id: item for item in api.identities(wanted)})


def look_at_series(api: ApiClient, series_ids: Sequence[str], *, place: str) -> dict[str, SeriesIdentity]:
    """Return whose series these are that a gateway received, as `look` does for volumes."""
    return _look(
        series_ids,
        place,
        lambda wanted: {item.received_series_id: item for item in api.series_identities(wanted)},
    )


def _look(ids: Sequence[str], place: str, ask: Callable[[list[str]], dict[str, T]]) -> dict[str, T]:
    looks = st.session_state.setdefault(_LOOKS, {})
    for other in [key for key in looks if key != place]:
        del looks[other]
    known: dict[str, tuple[float, T | None]] = looks.setdefault(place, {})
    now = time.monotonic()
    wanted = [one for one in ids if now - known.get(one, (-1e9, None))[0] > LOOKS_FOR_S]
    if wanted:
        found = ask(wanted)
        known |= {one: (now, found.get(one)) for one in wanted}
    return {one: item for one in ids if (item := known.get(one, (0.0, None))[1]) is not None}


def find(api: ApiClient, project: str, text: str) -> FoundVolumes:
    """Return a patient's volumes, asking once for each text that is typed, and again after ten minutes."""
    now = time.monotonic()
    last = st.session_state.get(_SEARCH)
    if last is None or last[0] != (project, text) or now - last[1] > LOOKS_FOR_S:
        last = st.session_state[_SEARCH] = ((project, text), now, api.find_patient(project, text))
    found: FoundVolumes = last[2]
    return found


def show(api: ApiClient, volume: Volume, *, place: str) -> None:
    """Show whose CT a page is about: who looks or draws must be able to check that it is the right patient."""
    try:
        identity = look(api, [volume], place=f"{place} {volume.id}").get(volume.id)
    except SegloopError as error:
        st.warning(explain(error))
        return
    if identity is not None:
        st.markdown(" · ".join(filter(None, [headline(identity), study(identity)])))


def headline(identity: Identified) -> str:
    """Return name and ID as Markdown in one line."""
    if identity.is_unreadable:
        return ":red-badge[Unreadable] :small[Whose CT it is can't be opened with this installation's key; tell operations.]"
    name = f"**{plain(person(identity.patient_name) or 'No name')}**"
    return " · ".join(filter(None, [name, plain(identity.patient_id)]))


def study(identity: Identified) -> str:
    """Return birth date, sex, and the study's date, accession number and description as Markdown in one line."""
    born = f"born {day(identity.birth_date)}" if identity.birth_date else ""
    said = [
        " ".join(filter(None, [born, identity.sex])),
        f"CT of {day(identity.study_date)}" if identity.study_date else "",
        f"accession {identity.accession}" if identity.accession else "",
        identity.study_description,
    ]
    return " · ".join(map(plain, filter(None, said)))
