"""From a PACS and back: DCMTK sends, the gateway has it segmented, Orthanc gets the result, others read it."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pydicom
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.sop_class import CTImageStorage, Verification

from segloop.database import Engine, open_engine
from segloop.jobs.run import Limits, run_next
from segloop.nnunet.bundle import import_model
from segloop.nnunet.tiny import expected_labels, write_tiny_model
from segloop.settings import Settings
from services.dicom_gateway.api import Api
from services.dicom_gateway.commitment import Commitments
from services.dicom_gateway.config import Config
from services.dicom_gateway.deliver import Deliverer
from services.dicom_gateway.destinations import CStore
from services.dicom_gateway.entry import Entry
from services.dicom_gateway.follow import Follower
from services.dicom_gateway.receive import Receiver
from services.dicom_gateway.rules import Rule
from services.dicom_gateway.sender import Sender
from services.dicom_gateway.spool import Spool
from services.worker_gpu.model_cache import ModelCache
from services.worker_gpu.segment import Segmenter
from services.worker_gpu.tasks import works
from tests import dcmqrscp, orthanc
from tests.api_server import serve
from tests.dicom_series import DIRECTIONS, slices, write
from tests.integration.test_dicom import in_source
from tests.learning import put_into_production, store_of
from tests.training_runs import NAMES

LIMITS = Limits(lease_s=30.0, heartbeat_s=2.0, max_failures=3, max_interruptions=5)
SHAPE = (24, 20, 12)
GATEWAY = "SEGLOOP"
# The model's own, whatever way the slices look: each voxel's label then follows from its own HU alone.
GRID: dict[str, Any] = {"pixel_spacing": (2.0, 2.0), "spacing": 2.0}


@pytest.fixture(scope="module", autouse=True)
def third_party() -> None:
    """The programs of other people that these tests are about: in CI they must be there."""
    missing = orthanc.missing()
    if missing and os.environ.get("CI"):
        pytest.fail(f"these are needed in CI: {missing}")
    if missing:
        pytest.skip(
            f"NOT RUN: install {', '.join(missing)} (apt-get install orthanc orthanc-dicomweb dcmtk dicom3tools)"
        )


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    engine = open_engine(settings.database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def api(settings: Settings) -> Iterator[str]:
    """The API as a real server, and its address."""
    with serve(settings) as address:
        yield address


@pytest.fixture
def worker(engine: Engine, settings: Settings, tmp_path: Path) -> Callable[[], Any]:
    """Run the next job, with a model that answers by the HU."""
    model = write_tiny_model(
        tmp_path / "model",
        labels=len(NAMES),
        label_names=tuple(NAMES),
        spacing_mm=(2.0, 2.0, 2.0),
        patch=(8, 8, 8),
    )
    import_model(model, tmp_path / "bundle")
    put_into_production(engine, settings, tmp_path / "bundle")
    segmenter = Segmenter(engine, store_of(settings), ModelCache(2**30), settings.scratch, "cpu", 1)
    return lambda: run_next(engine, queue="segmentation", works=works(segmenter), worker="w", limits=LIMITS)


@pytest.fixture
def pacs(tmp_path: Path) -> orthanc.Orthanc:
    return orthanc.new(tmp_path / "orthanc", GATEWAY, "STORESCU")


class Gateway:
    """The gateway in this process, stepped by the test."""

    def __init__(self, api: str, settings: Settings, pacs: orthanc.Orthanc) -> None:
        self.config = Config(
            aet=GATEWAY,
            port=orthanc.free_port(),
            callers=("STORESCU",),
            quiet_s=0.3,
            rules=(Rule("all", {}, destinations=("pacs",)),),
            destinations={
                "pacs": CStore(name="pacs", aet=orthanc.AET, host="127.0.0.1", port=pacs.dicom_port)
            },
        )
        self.api = Api(api, settings.token)
        self.scratch = settings.scratch
        self.commitments = Commitments()
        self.receiver: Receiver | None = None
        self.begin(self.config)

    def begin(self, config: Config) -> None:
        """Go on with nothing but what is on disk, as another process would."""
        self.stop()
        self.config = config
        self.spool = Spool(self.scratch / "spool")
        self.receiver = Receiver(config, self.spool, commitments=self.commitments)
        self.receiver.start()
        self.follower = Follower(config, self.spool, self.api)
        self.deliverer = Deliverer(config, self.spool, self.api, Sender(config.aet, self.commitments))

    def stop(self) -> None:
        """Take nothing more."""
        if self.receiver is not None:
            self.receiver.stop()

    def until(
        self, done: Callable[[list[Entry]], bool], worker: Callable[[], Any], *, limit_s: float = 60
    ) -> list[Entry]:
        """Step, and let the worker work, until the entries are as wanted."""
        end = time.monotonic() + limit_s
        while not done(entries := self.spool.entries()):
            assert time.monotonic() < end, entries
            if not self.follower.step():
                self.deliverer.step()
            worker()
            time.sleep(0.05)
        return entries


@pytest.fixture
def gateway(api: str, settings: Settings, pacs: orthanc.Orthanc, worker: object) -> Iterator[Gateway]:
    found = Gateway(api, settings, pacs)
    yield found
    found.stop()


def wait_for(look: Callable[[], Any], *, limit_s: float = 60) -> Any:
    """Return the first thing found that is true."""
    end = time.monotonic() + limit_s
    while not (found := look()):
        assert time.monotonic() < end
        time.sleep(0.2)
    return found


def states(entry: Entry) -> dict[tuple[str, str], str]:
    """Return by destination and form how far a series' deliveries are."""
    return {(one.destination, one.form): one.state for one in entry.deliveries}


def blocks(seed: int) -> np.ndarray[Any, np.dtype[np.int16]]:
    """HU in blocks, each clearly of one class of the model."""
    values = np.array([-1000, -100, 170, 430, 700], np.int16)
    found = np.random.default_rng(seed).choice(values, size=(6, 5, 3))
    return found.repeat(4, 0).repeat(4, 1).repeat(4, 2)


def storescu(folder: Path, port: int) -> subprocess.CompletedProcess[str]:
    command = ["storescu", "-aet", "STORESCU", "-aec", GATEWAY, "127.0.0.1", str(port), "+sd", str(folder)]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def errors_of(file: Path) -> set[str]:
    """Return what dciodvfy calls an error; its exit status tells nothing."""
    done = subprocess.run(["dciodvfy", str(file)], check=False, capture_output=True, text=True)
    return {line for line in (done.stdout + done.stderr).splitlines() if line.startswith("Error")}


@pytest.mark.parametrize("name", DIRECTIONS)
def test_a_series_sent_to_the_gateway_comes_back_to_the_pacs_as_a_segmentation_of_its_slices(
    gateway: Gateway, pacs: orthanc.Orthanc, worker: Callable[[], Any], tmp_path: Path, name: str
) -> None:
    volume = blocks(1)
    headers = slices(volume, direction=DIRECTIONS[name], seed=name, **GRID)
    files = write(tmp_path / "ct", headers)
    done = storescu(tmp_path / "ct", gateway.config.port)
    assert done.returncode == 0, done.stderr
    with pacs.running():
        (entry,) = gateway.until(lambda found: found[0].stage in ("done", "failed"), worker)
        assert (entry.stage, states(entry)) == ("done", {("pacs", "seg"): "verified"}), entry
        (stored,) = pacs.instances()
        body = pacs.file(stored["SOPInstanceUID"])
    seg = pydicom.dcmread(BytesIO(body))
    assert seg.StudyInstanceUID == headers[0].StudyInstanceUID and seg.PatientID == "PID-4711-Q"
    found = in_source(seg, headers)
    expected = expected_labels(volume, len(NAMES)).transpose(2, 1, 0)
    for index, label in enumerate(NAMES, 1):
        drawn = found.get(label, np.zeros(expected.shape, bool))
        assert np.mean(drawn != (expected == index)) < 0.03, (
            label
        )  # half precision blurs the outermost voxels
    (tmp_path / "seg.dcm").write_bytes(body)
    assert errors_of(tmp_path / "seg.dcm") <= errors_of(files[0])


def test_sent_twice_or_by_two_ways_it_is_one_job_and_one_result(
    gateway: Gateway,
    api: str,
    settings: Settings,
    pacs: orthanc.Orthanc,
    worker: Callable[[], Any],
    tmp_path: Path,
) -> None:
    write(tmp_path / "ct", slices(blocks(2), seed="twice"))
    with pacs.running():
        for _ in range(2):
            assert storescu(tmp_path / "ct", gateway.config.port).returncode == 0
            (entry,) = gateway.until(lambda found: all(one.stage == "done" for one in found), worker)
        shutil.rmtree(gateway.spool.files(entry).parent)
        gateway.begin(gateway.config)  # as if it had been forgotten
        assert storescu(tmp_path / "ct", gateway.config.port).returncode == 0
        (entry,) = gateway.until(lambda found: all(one.stage == "done" for one in found), worker)
        assert len(pacs.instances()) == 1
    headers = {"Authorization": f"Bearer {settings.token}"}
    with httpx.Client(base_url=api, headers=headers) as http:
        jobs = http.get("/v1/jobs", params={"volume_id": entry.volume_id}).json()["items"]
    assert len(jobs) == 1


def test_while_the_pacs_is_down_the_result_waits_and_is_delivered_once(
    gateway: Gateway, pacs: orthanc.Orthanc, worker: Callable[[], Any], tmp_path: Path
) -> None:
    write(tmp_path / "ct", slices(blocks(3), seed="down"))
    assert storescu(tmp_path / "ct", gateway.config.port).returncode == 0
    (entry,) = gateway.until(lambda found: any(one.attempts for one in found[0].deliveries), worker)
    (waiting,) = entry.deliveries
    assert (entry.stage, waiting.state, waiting.code) == ("delivering", "waiting", "destination_unavailable")
    assert waiting.next_try > time.time() - 1
    with pacs.running():
        runs = []
        (entry,) = gateway.until(lambda found: found[0].stage == "done", lambda: runs.append(worker()))
        assert states(entry) == {("pacs", "seg"): "verified"} and len(pacs.instances()) == 1
    assert not any(runs), "nothing was computed again"


def test_a_gateway_that_dies_goes_on_where_it_was(
    gateway: Gateway, pacs: orthanc.Orthanc, worker: Callable[[], Any], tmp_path: Path
) -> None:
    write(tmp_path / "ct", slices(blocks(4), seed="dies"))
    assert storescu(tmp_path / "ct", gateway.config.port).returncode == 0
    with pacs.running():
        for stage in ("closed", "uploaded", "segmenting", "delivering", "done"):
            gateway.until(lambda found, stage=stage: found[0].stage == stage, worker)  # type: ignore[misc]
            gateway.begin(gateway.config)
        assert len(pacs.instances()) == 1


def test_a_series_that_no_volume_can_be_made_of_ends_with_the_reason(
    gateway: Gateway, worker: Callable[[], Any], tmp_path: Path
) -> None:
    found = slices(blocks(5), seed="holed")
    write(tmp_path / "ct", [*found[:4], *found[5:]])
    assert storescu(tmp_path / "ct", gateway.config.port).returncode == 0
    (entry,) = gateway.until(lambda entries: entries[0].stage == "failed", worker)
    assert (
        entry.code == "dicom_missing_slices"
        and "1 slice is missing, the first between images" in entry.message
    )


def test_one_destination_that_refuses_takes_nothing_from_the_others(
    gateway: Gateway, pacs: orthanc.Orthanc, worker: Callable[[], Any], tmp_path: Path
) -> None:
    ae, port = AE(ae_title="ECHOONLY"), orthanc.free_port()
    ae.add_supported_context(Verification)
    server = ae.start_server(("127.0.0.1", port), block=False)
    viewer = CStore(name="viewer", aet="ECHOONLY", host="127.0.0.1", port=port)
    rules = (Rule("all", {}, destinations=("viewer", "pacs")),)
    both = {"viewer": viewer, **gateway.config.destinations}
    gateway.begin(replace(gateway.config, destinations=both, rules=rules))
    write(tmp_path / "ct", slices(blocks(8), seed="two destinations"))
    assert storescu(tmp_path / "ct", gateway.config.port).returncode == 0
    with pacs.running():
        (entry,) = gateway.until(lambda found: found[0].stage in ("done", "failed"), worker)
        assert (entry.stage, entry.code) == ("failed", "form_not_taken")
        assert states(entry) == {("viewer", "seg"): "failed", ("pacs", "seg"): "verified"}
        assert len(pacs.instances()) == 1
    server.shutdown()


def test_a_pacs_that_knows_no_label_maps_gets_contours_and_a_report_instead(
    gateway: Gateway, worker: Callable[[], Any], tmp_path: Path
) -> None:
    with dcmqrscp.running(tmp_path / "dcmtk", GATEWAY) as port:
        old = CStore(
            name="old",
            aet=dcmqrscp.AET,
            host="127.0.0.1",
            port=port,
            forms=("labelmap",),
            fallback=("rtstruct", "pdf"),
        )
        rules = (Rule("all", {}, destinations=("old",)),)
        gateway.begin(replace(gateway.config, destinations={"old": old}, rules=rules))
        write(tmp_path / "ct", slices(blocks(17), seed="fallback"))
        assert storescu(tmp_path / "ct", gateway.config.port).returncode == 0
        (entry,) = gateway.until(lambda found: found[0].stage in ("done", "failed"), worker)
    assert states(entry) == {
        ("old", "labelmap"): "superseded",
        ("old", "rtstruct"): "verified",
        ("old", "pdf"): "verified",
    }
    assert entry.stage == "done" and entry.deliveries[0].code == "form_not_taken"
    kept = [
        pydicom.dcmread(file) for file in (tmp_path / "dcmtk/store").iterdir() if file.name != "index.dat"
    ]
    assert {one.Modality for one in kept} == {"RTSTRUCT", "DOC"}


def test_a_series_that_meets_the_unexpected_does_not_hold_up_the_others(
    gateway: Gateway, pacs: orthanc.Orthanc, worker: Callable[[], Any], tmp_path: Path
) -> None:
    for seed in ("first", "second"):
        write(tmp_path / seed, slices(blocks(9 + len(seed)), seed=seed))
        assert storescu(tmp_path / seed, gateway.config.port).returncode == 0
    first = gateway.spool.entries()[0]
    for file in gateway.spool.files(first).iterdir():  # as by a disk that lost its bytes
        file.write_bytes(b"")
    with pacs.running():
        found = gateway.until(lambda entries: any(entry.stage == "done" for entry in entries), worker)
    (odd,) = (entry for entry in found if entry.key == first.key)
    assert odd.stage != "done" and odd.code


def test_what_failed_is_tried_again_when_it_is_sent_again(
    gateway: Gateway,
    api: str,
    settings: Settings,
    worker: Callable[[], Any],
    pacs: orthanc.Orthanc,
    tmp_path: Path,
) -> None:
    write(tmp_path / "ct", slices(blocks(14), seed="again"))
    assert storescu(tmp_path / "ct", gateway.config.port).returncode == 0
    (entry,) = gateway.until(lambda found: found[0].stage == "segmenting", lambda: None)
    with httpx.Client(base_url=api, headers={"Authorization": f"Bearer {settings.token}"}) as http:
        http.post(f"/v1/jobs/{entry.job_id}/cancel")
        (entry,) = gateway.until(lambda found: found[0].stage == "failed", lambda: None)
        assert entry.code == "job_cancelled"
        assert storescu(tmp_path / "ct", gateway.config.port).returncode == 0
        with pacs.running():
            found = gateway.until(lambda entries: any(one.stage == "done" for one in entries), worker)
        jobs = http.get("/v1/jobs", params={"volume_id": entry.volume_id}).json()["items"]
    assert [job["state"] for job in jobs] == ["succeeded", "cancelled"] and len(found) == 2


def test_strangers_and_other_objects_are_refused(gateway: Gateway, tmp_path: Path) -> None:
    def associate(calling: str, called: str, kind: str) -> bool:
        ae = AE(ae_title=calling)
        ae.add_requested_context(kind)
        association = ae.associate("127.0.0.1", gateway.config.port, ae_title=called)
        try:
            return bool(association.is_established)
        finally:
            association.release()

    assert associate("STORESCU", GATEWAY, Verification) and associate("STORESCU", GATEWAY, CTImageStorage)
    assert not associate("STRANGER", GATEWAY, CTImageStorage)
    assert not associate("STORESCU", "OTHER", CTImageStorage)
    assert not associate("STORESCU", GATEWAY, "1.2.840.10008.5.1.4.1.1.4")


def test_an_instance_that_comes_again_with_other_content_is_refused(gateway: Gateway, tmp_path: Path) -> None:
    one = slices(blocks(6), seed="changed")[:1]
    write(tmp_path / "a", one)
    assert storescu(tmp_path / "a", gateway.config.port).returncode == 0
    one[0].PatientName = "Somebody^Else"
    write(tmp_path / "b", one)
    done = storescu(tmp_path / "b", gateway.config.port)
    assert "Duplicate" in done.stderr + done.stdout or done.returncode != 0
    (entry,) = gateway.spool.entries()
    assert len(list(gateway.spool.files(entry).iterdir())) == 1


def test_a_full_disk_is_said_to_the_sender_and_nothing_is_claimed(
    gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> bool:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(gateway.spool, "store", full)
    write(tmp_path / "ct", slices(blocks(7), seed="full")[:1])
    assert (
        storescu(tmp_path / "ct", gateway.config.port).returncode == 0xA7
    )  # DCMTK's word for "out of resources"


@pytest.fixture
def started(
    api: str, environment: dict[str, str], tmp_path: Path
) -> Iterator[Callable[[str], tuple[int, Path]]]:
    """Start the gateway as a process with a configuration, and return its port and its log; it ends with the test."""
    processes = []

    def start(config: str) -> tuple[int, Path]:
        port, log = orthanc.free_port(), tmp_path / "log"
        (tmp_path / "g.yaml").write_text(f"aet: {GATEWAY}\nport: {port}\ncallers: [STORESCU]\n{config}")
        places = {"SEGLOOP_API_URL": api, "SEGLOOP_GATEWAY_SPOOL": str(tmp_path / "s")}
        with log.open("w") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "services.dicom_gateway", str(tmp_path / "g.yaml")],
                env=os.environ | environment | places,
                stdout=output,
                stderr=output,
            )
        processes.append(process)
        echo = ["echoscu", "-aet", "STORESCU", "-aec", GATEWAY, "127.0.0.1", str(port)]
        wait_for(lambda: process.poll() is None and not subprocess.run(echo, capture_output=True).returncode)
        return port, log

    yield start
    for process in processes:
        process.terminate()
        assert process.wait(20) == 0


@pytest.fixture
def http(api: str, settings: Settings) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=api, headers={"Authorization": f"Bearer {settings.token}"}) as found:
        yield found


def ended(http: httpx.Client, sender: str) -> list[dict[str, Any]]:
    """Return the series from a sender that are done, as the API knows them."""
    found = http.get("/v1/received-series", params={"stage": "done"}).json()["items"]
    return [one for one in found if one["sender"] == sender]


def require_no_names(log: Path, found: list[pydicom.Dataset]) -> None:
    """Check that a log tells of nobody."""
    uids = (found[0].SeriesInstanceUID, found[0].StudyInstanceUID)
    for word in (*str(found[0].PatientName).split("^"), "PID-4711-Q", "ACC-9", *uids):
        assert word not in log.read_text(), word


def test_it_runs_as_a_process_that_reports_and_takes_orders_and_its_log_names_nobody(
    started: Callable[[str], tuple[int, Path]],
    http: httpx.Client,
    pacs: orthanc.Orthanc,
    worker: Callable[[], Any],
    tmp_path: Path,
) -> None:
    found = slices(blocks(15), seed="process", patient="Canary^Carla")
    write(tmp_path / "ct", found)
    with pacs.running():
        port, log = started(
            "quiet_s: 0.3\nrules: [{name: all, destinations: [pacs]}]\n"
            f"destinations: {{pacs: {{aet: {orthanc.AET}, host: 127.0.0.1, port: {pacs.dicom_port}}}}}"
        )
        assert storescu(tmp_path / "ct", port).returncode == 0
        wait_for(lambda: (worker(), pacs.instances())[1])
        (reported,) = wait_for(lambda: ended(http, "STORESCU"))
        placed = http.post(f"/v1/gateways/{GATEWAY}/test", json={"name": "pacs"}).json()
        path = f"/v1/gateway-orders/{placed['id']}"
        answer = wait_for(lambda: (one := http.get(path).json())["finished_at"] and one)
        again = http.post(f"/v1/received-series/{reported['id']}/redeliver", json={}).json()
        wait_for(lambda: http.get(f"/v1/gateway-orders/{again['id']}").json()["state"] == "done")
        wait_for(lambda: log.read_text().count("to pacs as seg: verified") == 2)
        assert len(pacs.instances()) == 1
    assert reported["deliveries"][0]["state"] == "verified" and reported["n_instances"] == len(found)
    assert answer["state"] == "done" and answer["result"]["ok"] is True, answer
    require_no_names(log, found)


def test_a_job_for_a_series_in_the_pacs_is_pulled_segmented_and_delivered_over_the_web(
    started: Callable[[str], tuple[int, Path]],
    http: httpx.Client,
    pacs: orthanc.Orthanc,
    worker: Callable[[], Any],
    tmp_path: Path,
) -> None:
    found = slices(blocks(16), seed="pulled", patient="Canary^Carla")
    web = f"http://127.0.0.1:{pacs.http_port}/dicom-web"
    with pacs.running():
        for file in write(tmp_path / "ct", found):
            httpx.post(f"http://127.0.0.1:{pacs.http_port}/instances", content=file.read_bytes())
        _, log = started(
            f'sources: {{archive: {{kind: dicomweb, url: "{web}"}}}}\n'
            f'destinations: {{web: {{kind: stow-rs, url: "{web}", forms: [seg, rtstruct]}}}}'
        )
        wait_for(lambda: [one for one in http.get("/v1/gateways").json()["items"] if one["sources"]])
        reference = {
            "source": "archive",
            "study_uid": found[0].StudyInstanceUID,
            "series_uid": found[0].SeriesInstanceUID,
        }
        body = {"kind": "segment", "project_id": "default", "input": {"dicomweb": reference}}
        job = http.post("/v1/jobs", json={**body, "parameters": {"destinations": ["web"]}})
        assert job.status_code in (200, 201, 202), job.text
        (reported,) = wait_for(lambda: (worker(), ended(http, "archive"))[1])
        assert http.get(f"/v1/jobs/{job.json()['id']}").json()["state"] == "succeeded"
        results = [one for one in pacs.instances() if one["Modality"] != "CT"]
        bodies = {one["Modality"]: pacs.file(one["SOPInstanceUID"]) for one in results}
    assert (reported["route"], reported["sender"], reported["job_id"]) == (
        "retrieve",
        "archive",
        job.json()["id"],
    )
    assert {(one["form"], one["state"]) for one in reported["deliveries"]} == {
        ("seg", "verified"),
        ("rtstruct", "verified"),
    }
    assert len(results) == 2 and set(bodies) == {"SEG", "RTSTRUCT"}
    seg = pydicom.dcmread(BytesIO(bodies["SEG"]))
    assert seg.file_meta.TransferSyntaxUID == DeflatedExplicitVRLittleEndian
    assert in_source(seg, found)
    require_no_names(log, found)
