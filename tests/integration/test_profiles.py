"""Profiles from the API through the worker to the mask that records them."""

import json
from pathlib import Path

import numpy as np

from segloop.database import open_engine
from segloop.nnunet.bundle import read_bundle
from segloop.settings import Settings
from tests.integration.test_geometry_contract import Service, asymmetric

AFFINE = np.diag([3.0, 3.0, 3.0, 1.0])


def test_the_profile_asked_for_is_done_and_recorded(settings: Settings, tmp_path: Path) -> None:
    service = Service(settings, tmp_path, open_engine(settings.database_url))
    volume_id = service.upload(asymmetric((17, 14, 12)), AFFINE)
    found = {}
    for profile in ("exact", "exact+mirroring", "fast"):
        assert service.ask(volume_id, profile=profile).status_code == 202
        mask, image = service.run()
        assert mask["profile"] == profile
        found[profile] = np.asarray(image.dataobj)
    assert (found["exact"] != found["exact+mirroring"]).any()
    assert np.mean(found["exact"] != found["fast"]) < 1e-2
    refused = service.ask(volume_id, profile="fastest")
    assert (refused.status_code, refused.json()["code"]) == (422, "request_invalid")
    service.engine.dispose()


def test_mirroring_is_refused_where_a_version_learned_without_it(settings: Settings, tmp_path: Path) -> None:
    service = Service(settings, tmp_path, open_engine(settings.database_url))
    file = tmp_path / "bundle" / "model.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"mirroring_axes": []}))
    service.register(tmp_path / "bundle", read_bundle(tmp_path / "bundle"))
    volume_id = service.upload(asymmetric((16, 14, 12)), AFFINE)
    refused = service.ask(volume_id, profile="exact+mirroring")
    assert (refused.status_code, refused.json()["code"]) == (409, "profile_unavailable")
    assert "Use profile exact" in refused.json()["detail"]
    assert service.ask(volume_id).status_code == 202
    assert service.run()[0]["profile"] == "exact"
    service.engine.dispose()
