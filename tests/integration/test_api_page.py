"""The examples of docs/api.md do what the page says, on a real server with a worker."""

import os
import re
import shutil
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from segloop.database import open_engine
from segloop.nnunet.tiny import expected_labels
from segloop.settings import Settings
from segloop.webhooks import manage
from services.api import webhook_sender
from tests.api_server import serve
from tests.conftest import ROOT
from tests.receiver import Receiver, receiving
from tests.training_runs import NAMES
from tests.worker import working

PAGE = (ROOT / "docs/api.md").read_text()


BLOCKS = {
    language: re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    for language in ("sh", "python")
}


def send_webhooks(settings: Settings) -> None:
    """Do what the relay does."""
    engine, rules = open_engine(settings.database_url), manage.rules_of(settings)
    assert rules is not None
    assert webhook_sender.send_due(engine, rules) == 1
    engine.dispose()


def answer_as_the_page_says(receiver: Receiver, folder: Path) -> None:
    """Let the page's receiver look at what arrived."""
    ((_, headers, body),) = receiver.got
    block = next(block for block in BLOCKS["python"] if "def receive" in block)
    told: dict[str, Any] = {"Path": lambda name: folder / name}
    exec(block, told)
    assert told["receive"](body, headers) == 204
    assert told["receive"](body + b" ", headers) == 400


def test_the_examples_of_the_page_work(settings: Settings, tmp_path: Path) -> None:
    missing = [name for name in ("curl", "jq") if shutil.which(name) is None]
    if missing and not os.environ.get("CI"):
        pytest.skip(f"NOT RUN: install {' and '.join(missing)}")
    assert not missing, "these are needed in CI"
    folder = tmp_path / "integrator"
    folder.mkdir()
    blocks = np.random.default_rng(5).choice(np.array([-1000, -100, 170, 700], np.int16), (7, 6, 5))
    ct = blocks.repeat(4, 0).repeat(4, 1).repeat(4, 2)
    affine = np.array([[0, -3.0, 0, 5], [3.0, 0, 0, 7], [0, 0, 3.0, -9], [0, 0, 0, 1]])
    nib.Nifti1Image(ct, affine).to_filename(folder / "CT.nii.gz")
    with receiving() as receiver, ExitStack() as running:
        hosts = f"127.0.0.1:{receiver.port}"
        settings = replace(settings, webhook_key="test-webhook-key", webhook_hosts=hosts)
        url = running.enter_context(serve(settings))
        running.enter_context(working(settings, tmp_path))
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT / "src"),
            "SEGLOOP_API_URL": url,
            "SEGLOOP_TOKEN": settings.token,
            "RECEIVER_URL": receiver.url,
        }
        for command in (
            ["bash", "-euo", "pipefail", "-c", "\n".join(BLOCKS["sh"])],
            [sys.executable, "-W", "error", "-c", "\n".join(BLOCKS["python"])],
        ):
            ran = subprocess.run(
                command,
                cwd=folder,
                env=environment,
                check=False,
                capture_output=True,
                text=True,
                timeout=300,
            )
            assert ran.returncode == 0, ran.stdout + ran.stderr
            assert not ran.stderr, ran.stderr
        send_webhooks(settings)
    answer_as_the_page_says(receiver, folder)
    assert "Research use only" in ran.stdout
    for name in ("mask.nii.gz", "mask-again.nii.gz"):
        mask = nib.load(folder / name)
        assert np.allclose(mask.affine, affine)
        assert np.array_equal(np.asarray(mask.dataobj), expected_labels(ct, len(NAMES)))
