"""A series settles when its sender has said goodbye: not while anybody sends it, not after a broken line, not file by file."""

import time
from pathlib import Path

from services.dicom_gateway.senders import Senders
from services.dicom_gateway.spool import Spool, stem_of


def test_it_settles_when_the_association_is_released_and_no_other_brings_it() -> None:
    senders, one, other = Senders(), object(), object()
    for association in (one, one, other, other):
        senders.brought(association, "a")
    senders.ended(one, is_whole=True)
    assert not senders.has_settled("a", 0.0)
    senders.ended(other, is_whole=True)
    assert senders.has_settled("a", 0.0) and not senders.has_settled("a", 60.0)
    assert not senders.has_settled("b", 0.0)


def test_who_opens_an_association_for_each_file_is_waited_for() -> None:
    senders = Senders()
    for _ in range(5):
        association = object()
        senders.brought(association, "a")
        senders.ended(association, is_whole=True)
        assert not senders.has_settled("a", 0.0)


def test_who_broke_off_is_waited_for_and_a_later_word_on_the_same_line_changes_nothing() -> None:
    senders, one = Senders(), object()
    senders.brought(one, "a")
    senders.brought(one, "a")
    senders.ended(one, is_whole=False)
    senders.ended(one, is_whole=True)
    assert not senders.has_settled("a", 0.0)


def test_the_spool_closes_a_settled_series_at_once_and_what_comes_later_begins_it_again(
    tmp_path: Path,
) -> None:
    spool, association = Spool(tmp_path), object()
    for instance in ("1", "2"):
        spool.senders.brought(association, stem_of("A", "1.2"))
        spool.store("A", "1.2", instance, b"one")
    (entry,) = spool.entries()
    assert spool.close(entry, quiet_s=60, settle_s=0.0) is None
    spool.senders.ended(association, is_whole=True)
    assert spool.close(entry, quiet_s=60, settle_s=60.0) is None
    assert spool.close(entry, quiet_s=60, settle_s=0.0) is not None
    spool.store("A", "1.2", "3", b"two")
    later = next(one for one in spool.entries() if one.stage == "receiving")
    time.sleep(0.01)
    assert spool.close(later, quiet_s=60, settle_s=0.0) is None
