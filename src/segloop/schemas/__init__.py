"""Bodies of HTTP requests and responses, shared by the API and the UI's client."""

from segloop.schemas.base import NOTICE, Body, Page, Problem, Result
from segloop.schemas.comparisons import Disagreement, MaskComparison
from segloop.schemas.drafts import (
    Draft,
    DraftChanges,
    EditedSlices,
    EntryOut,
    EntryPage,
    Finalization,
    Head,
    LabelAgreement,
    NewDraft,
    OtherDraft,
    ToolRequest,
    ToolSettings,
)
from segloop.schemas.evaluations import Comparison, LabelFigure, VersionFigures
from segloop.schemas.feedback import (
    AgeCounts,
    AnnotatorCounts,
    Feedback,
    FeedbackCounts,
    FeedbackStatistics,
    LabelCounts,
    NewFeedback,
)
from segloop.schemas.jobs import JobError, JobEvent, JobInput, JobOut, JobParameters, NewJob
from segloop.schemas.masks import (
    LabelDifference,
    LabelStatistics,
    Mask,
    MaskStatistics,
    ReviewedRegion,
    SliceRange,
)
from segloop.schemas.model_versions import ModelVersion, Promotion, Rejection, StageChange, VersionLineage
from segloop.schemas.policy import GateBody, Kind, MarginBody, Policy, PolicyChange
from segloop.schemas.projects import Label, LabelSetOut, NewLabelSet, NewProject, Project
from segloop.schemas.training import LearningState, NewTestPatients, TrainingCase
from segloop.schemas.training_runs import EpochRecord, RunCase, TrainingRun, TrainingRunSummary
from segloop.schemas.uploads import NewUpload, Upload
from segloop.schemas.volumes import Ticket, Volume
from segloop.schemas.worklist import Case, Resumable, Worklist

__all__ = [
    "NOTICE",
    "AgeCounts",
    "AnnotatorCounts",
    "Body",
    "Case",
    "Comparison",
    "Disagreement",
    "Draft",
    "DraftChanges",
    "EditedSlices",
    "EntryOut",
    "EntryPage",
    "EpochRecord",
    "Feedback",
    "FeedbackCounts",
    "FeedbackStatistics",
    "Finalization",
    "GateBody",
    "Head",
    "JobError",
    "JobEvent",
    "JobInput",
    "JobOut",
    "JobParameters",
    "Kind",
    "Label",
    "LabelAgreement",
    "LabelCounts",
    "LabelDifference",
    "LabelFigure",
    "LabelSetOut",
    "LabelStatistics",
    "LearningState",
    "MarginBody",
    "Mask",
    "MaskComparison",
    "MaskStatistics",
    "ModelVersion",
    "NewDraft",
    "NewFeedback",
    "NewJob",
    "NewLabelSet",
    "NewProject",
    "NewTestPatients",
    "NewUpload",
    "OtherDraft",
    "Page",
    "Policy",
    "PolicyChange",
    "Problem",
    "Project",
    "Promotion",
    "Rejection",
    "Result",
    "Resumable",
    "ReviewedRegion",
    "RunCase",
    "SliceRange",
    "StageChange",
    "Ticket",
    "ToolRequest",
    "ToolSettings",
    "TrainingCase",
    "TrainingRun",
    "TrainingRunSummary",
    "Upload",
    "VersionFigures",
    "VersionLineage",
    "Volume",
    "Worklist",
]
