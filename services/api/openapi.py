"""What the OpenAPI document says beyond the code: examples, problem documents, bodies that are bytes."""

from typing import Any

from fastapi import FastAPI

from segloop.schemas import NOTICE, Problem

_VOLUME = "019ab0c2-7b1e-7c8e-9d9a-3a3f6a0f2c11"
_MASK = "019ab0c4-11d0-7a51-8f4e-6f0c0e1b7a22"
_JOB = "019ab0c3-5e02-7b9d-a1c6-0b7d8e2f4c33"
_PROJECT = "019ab0b0-0000-7000-8000-000000000001"
_VERSION = "019ab0b1-4a6f-7d3e-b2c5-9e8d7c6b5a44"
_LABELS = "019ab0b0-0000-7000-8000-000000000002"
_SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_AT = {"created_by": "local", "created_at": "2026-11-24T08:15:30Z"}
_LABEL = {"index": 3, "name": "parotid_right", "color": "#e8683f", "snomed_code": "45289007"}
_REGION = {"whole": False, "axial": [[40, 52]], "coronal": [], "sagittal": [], "labels": [3]}
_DIFFERENCE = {"index": 3, "name": "parotid_right", "voxels_added": 210, "voxels_removed": 35, "dice": 0.94}

EXAMPLES: dict[str, dict[str, Any]] = {
    "Problem": {
        "type": "about:blank",
        "title": "Invalid input",
        "status": 422,
        "detail": "The file ends after 1,048,576 of 78,643,552 bytes. Upload it again.",
        "code": "truncated",
        "instance": f"/v1/uploads/{_VOLUME}/complete",
        "request_id": "7d2c0e0b4b7f4c6f9a41b0a4f4f5d6e7",
    },
    "NewProject": {"slug": "head-and-neck", "name": "Head and neck", "labels": [_LABEL]},
    "Project": {"id": _PROJECT, "slug": "default", "name": "Head and neck", **_AT},
    "Label": _LABEL,
    "NewLabelSet": {"labels": [_LABEL]},
    "LabelSetOut": {
        "id": _LABELS,
        "project_id": _PROJECT,
        "version": 1,
        "labels": [_LABEL],
        "created_at": _AT["created_at"],
    },
    "NewUpload": {"size_bytes": 78643552, "purpose": "volume", "case_reference": "case 17"},
    "Upload": {
        "id": _VOLUME,
        "project_id": _PROJECT,
        "purpose": "volume",
        "state": "open",
        "size_bytes": 78643552,
        "part_bytes": 8388608,
        "n_parts": 10,
        "received": [1, 2, 3],
        "result_id": None,
    },
    "UploadCompletion": {
        "label_map": {"Parotis li.": "parotid_left", "BODY": None},
        "mask_kind": "ground_truth",
    },
    "Volume": {
        "id": _VOLUME,
        "project_id": _PROJECT,
        "patient_id": "019ab0c2-7000-7000-8000-000000000003",
        "case_reference": "case 17",
        "sha256": _SHA256,
        "size_bytes": 78643552,
        "shape": [512, 512, 150],
        "affine": [-0.98, 0, 0, 250, 0, -0.98, 0, 250, 0, 0, 3, -450, 0, 0, 0, 1],
        "spacing_mm": [0.98, 0.98, 3.0],
        "orientation": "LPS",
        "hu_min": -1024,
        "hu_max": 3071,
        "is_hu_like": True,
        "is_dicom": True,
        "notes": ["localizer_dropped"],
        **_AT,
    },
    "NewJob": {
        "kind": "segment",
        "project_id": "default",
        "input": {"volume_id": _VOLUME},
        "parameters": {"priority": "routine"},
    },
    "JobOut": {
        "id": _JOB,
        "project_id": _PROJECT,
        "kind": "segment",
        "queue": "segmentation",
        "state": "running",
        "stage": "predicting",
        "progress": 0.42,
        "priority": 10,
        "queue_position": None,
        "time_left_s": 11.5,
        "attempt": 1,
        "failures": 0,
        "interruptions": 0,
        "error": None,
        "dead_letter": False,
        "cancel_requested": False,
        "volume_id": _VOLUME,
        "model_version_id": _VERSION,
        "mask_id": None,
        "parameters": {"profile": "exact", "hu_confirmed": False, "hu_offset": None},
        "request_id": "7d2c0e0b4b7f4c6f9a41b0a4f4f5d6e7",
        "timings": {"fetching": 0.1, "preprocessing": 0.7},
        "worker": "segmentation@gpu1",
        **_AT,
        "started_at": "2026-11-24T08:15:31Z",
        "finished_at": None,
    },
    "JobEvent": {
        "attempt": 1,
        "state": "running",
        "worker": "segmentation@gpu1",
        "reason": "claimed",
        "at": _AT["created_at"],
    },
    "ReviewedRegion": _REGION,
    "LabelDifference": _DIFFERENCE,
    "Mask": {
        "id": _MASK,
        "project_id": _PROJECT,
        "volume_id": _VOLUME,
        "kind": "prediction",
        "label_set_id": _LABELS,
        "model_version_id": _VERSION,
        "job_id": _JOB,
        "parent_id": None,
        "profile": "exact",
        "sha256": _SHA256,
        "size_bytes": 184320,
        "difference": None,
        "reviewed": None,
        "active_time_s": None,
        "notes": [],
        **_AT,
        "notice": NOTICE,
    },
    "MaskStatistics": {
        "mask_id": _MASK,
        "labels": [
            {
                "index": 3,
                "name": "parotid_right",
                "color": "#e8683f",
                "voxels": 10933,
                "volume_ml": 31.5,
            }
        ],
        "notice": NOTICE,
    },
    "ModelVersion": {
        "id": _VERSION,
        "project_id": _PROJECT,
        "number": 1,
        "name": "starter",
        "stage": "production",
        "parent_id": None,
        "label_set_id": _LABELS,
        "sha256": _SHA256,
        "size_bytes": 16590524,
        "orientation": "RAS",
        "card": "# Starter model ...",
        "details": {},
        **_AT,
        "promoted_by": "local",
        "promoted_at": "2026-11-24T08:00:00Z",
    },
    "NewDraft": {"base_mask_id": _MASK},
    "Finalization": {"sequence": 12, "hash": _SHA256, "active_time_s": 95.5},
    "NewWebhook": {
        "url": "https://hooks.example.org/segloop",
        "events": ["job.succeeded", "job.failed"],
    },
    "Promotion": {"reason": "first model of this project"},
    "Ticket": {"ticket": "eyJhIjoibG9jYWwifQ.3q2-7w", "expires_at": "2026-11-24T08:30:30Z"},
}
PROBLEMS = {
    "401": "Not signed in, or the ticket is not valid",
    "403": "You lack a permission: the answer names it",
    "404": "No such object",
    "409": "The object's present state forbids this",
    "413": "The body is longer than this takes",
    "422": "The request or file is wrong: its `code` says why",
    "429": "Too many of these in a minute; try again after `Retry-After` seconds",
    "503": "Something is down; try again after `Retry-After` seconds",
}
_BYTES = {"schema": {"type": "string", "format": "binary"}}


def install(app: FastAPI) -> None:
    """Complete the document that FastAPI makes from the routes."""
    make = app.openapi

    def openapi() -> dict[str, Any]:
        if not app.openapi_schema:
            document = make()
            _complete(document)
            app.openapi_schema = document
        return app.openapi_schema or {}

    app.openapi = openapi  # type: ignore[method-assign]


def _complete(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    document["security"] = [{"token": []}]
    schemas["Problem"] = Problem.model_json_schema()
    for name in ("HTTPValidationError", "ValidationError"):  # FastAPI's own; ours are problem documents
        schemas.pop(name, None)
    for name, example in EXAMPLES.items():
        schemas[name]["examples"] = [example]
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for path, operations in document["paths"].items():
        for operation in operations.values():
            operation["responses"].pop("422", None)
            if path.startswith("/v1"):
                for status, text in PROBLEMS.items():
                    operation["responses"][status] = {"description": text, "content": problem}
            if path.endswith("/content") or "/levels/" in path:
                operation["responses"]["200"]["content"] = {"application/octet-stream": _BYTES}
    part = document["paths"]["/v1/uploads/{upload_id}/parts/{number}"]["put"]
    part["requestBody"] = {"required": True, "content": {"application/octet-stream": _BYTES}}
    done = document["paths"]["/v1/uploads/{upload_id}/complete"]["post"]["responses"]
    done["200"] = done["201"] | {"description": "The project has these bytes already"}
