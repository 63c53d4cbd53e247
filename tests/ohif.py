"""OHIF, a viewer that hospitals use, served for tests from its npm package, in front of a PACS."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from tests.api_server import serve_app
from tests.orthanc import Orthanc

VERSION = "3.13.2"
# What OHIF needs to share memory between its workers.
ISOLATED = {"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp"}
SOURCE = {
    "friendlyName": "Orthanc",
    "name": "orthanc",
    "wadoUriRoot": "/dicom-web",
    "qidoRoot": "/dicom-web",
    "wadoRoot": "/dicom-web",
    "qidoSupportsIncludeField": False,
    "supportsReject": False,
    "imageRendering": "wadors",
    "thumbnailRendering": "wadors",
    "enableStudyLazyLoad": True,
    "supportsFuzzyMatching": False,
    "supportsWildcard": True,
    "singlepart": "bulkdata",
    "omitQuotationForMultipartRequest": True,
    "acceptHeader": ["multipart/related; type=application/octet-stream; transfer-syntax=*"],
    "bulkDataURI": {"enabled": True},
}
CONFIG = {
    "routerBasename": "/",
    "extensions": [],
    "modes": [],
    "customizationService": {},
    "showStudyList": True,
    "maxNumberOfWebWorkers": 2,
    "showCPUFallbackMessage": False,
    "strictZSpacingForVolumeViewport": True,
    "investigationalUseDialog": {"option": "never"},
    "defaultDataSourceName": "dicomweb",
    "dataSources": [
        {
            "namespace": "@ohif/extension-default.dataSourcesModule.dicomweb",
            "sourceName": "dicomweb",
            "configuration": SOURCE,
        }
    ],
}


def folder() -> Path:
    """Return where its files lie: `SEGLOOP_TEST_OHIF`, or where `.ci/run` puts them."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return Path(os.environ.get("SEGLOOP_TEST_OHIF", cache / f"segloop/ohif-{VERSION}/package/dist"))


def missing() -> list[str]:
    """Return what is not here of what showing it takes."""
    found = [] if (folder() / "index.html").exists() else [f"@ohif/app@{VERSION} in {folder()}"]
    browser = os.environ.get("CHROMIUM") or shutil.which("chromium")
    return found if browser else [*found, "chromium"]


@contextmanager
def serving(pacs: Orthanc) -> Iterator[str]:
    """Serve it until the block ends, with the PACS's DICOMweb under the same address, and give the address."""
    with serve_app(_app(pacs)) as address:
        yield address


def _app(pacs: Orthanc) -> Starlette:
    files = folder()

    def page(request: Request) -> Response:
        if request.url.path == "/app-config.js":
            return Response(f"window.config = {json.dumps(CONFIG)}", media_type="text/javascript")
        file = (files / request.url.path.lstrip("/")).resolve()
        known = file.is_relative_to(files.resolve()) and file.is_file()
        return FileResponse(file if known else files / "index.html", headers=ISOLATED)

    async def dicomweb(request: Request) -> Response:
        # The Host header tells the PACS which address its bulk data are to be asked for under.
        headers = {k: v for k, v in request.headers.items() if k in ("accept", "content-type", "host")}
        answer = await run_in_threadpool(
            httpx.get,
            f"http://127.0.0.1:{pacs.http_port}{request.url.path}?{request.url.query}",
            headers=headers,
            timeout=120,
        )
        return Response(answer.content, answer.status_code, media_type=answer.headers.get("content-type"))

    return Starlette(routes=[Route("/dicom-web/{rest:path}", dicomweb), Route("/{rest:path}", page)])
