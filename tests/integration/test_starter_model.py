"""The starter model in the repository loads as any bundle does and finds the organs of a phantom it never saw."""

from pathlib import Path

import numpy as np

from segloop.imaging.phantom import head_and_neck
from segloop.nnunet.card import dice
from segloop.nnunet.predict import Predictor

STARTER = Path(__file__).parents[2] / "models" / "starter"


def test_starter_segments_an_unseen_phantom_on_its_own_grid() -> None:
    ct, truth, geometry = head_and_neck(
        shape=(90, 60, 120), spacing_mm=(4.7, 4.7, 3.0), orientation="LPS", seed=7
    )
    mask = Predictor.load(STARTER, device="cpu", threads=1).predict(ct, geometry)
    assert mask.shape == ct.shape
    scores = [dice(truth, mask.astype(np.uint8), organ) for organ in range(1, 8)]
    assert np.mean(scores) > 0.6, scores
    assert min(scores[2:4]) > 0.6, "right and left parotid are told apart"


def test_starter_is_small_and_its_card_says_what_it_must() -> None:
    assert sum(file.stat().st_size for file in STARTER.iterdir()) < 20_000_000
    card = (STARTER / "MODEL_CARD.md").read_text().lower()
    for words in (
        "patients it never saw",
        "openkbp",
        "tcia",
        "terms of derived weights unclear",
        "yardstick",
    ):
        assert words in card
