"""Which attributes of a CT image a de-identified copy has, and which of their values: nothing else is copied.

Numbers are copied as numbers. Texts are copied only where they are words of a known list or have a kernel's form, for a scanner lets
people type into any of them. What PS3.15 Annex E keeps and this leaves out: dates, descriptions, protocols, device names, comments.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

NUMBERS = (
    # where the slices lie
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "SliceThickness",
    "SpacingBetweenSlices",
    "SliceLocation",
    "InstanceNumber",
    "AcquisitionNumber",
    "SeriesNumber",
    # what a pixel means
    "SamplesPerPixel",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "PixelPaddingValue",
    "RescaleSlope",
    "RescaleIntercept",
    "WindowCenter",
    "WindowWidth",
    "LossyImageCompressionRatio",
    # how it was acquired
    "KVP",
    "XRayTubeCurrent",
    "ExposureTime",
    "Exposure",
    "CTDIvol",
    "DataCollectionDiameter",
    "ReconstructionDiameter",
    "DistanceSourceToDetector",
    "DistanceSourceToPatient",
    "GantryDetectorTilt",
    "TableHeight",
    "TableSpeed",
    "TableFeedPerRotation",
    "RevolutionTime",
    "SpiralPitchFactor",
    "SingleCollimationWidth",
    "TotalCollimationWidth",
    "FocalSpots",
)

_BODY_PARTS = (
    "ABDOMEN ABDOMENPELVIS ADRENAL ANKLE AORTA ARM BRAIN BREAST CHEST CHESTABDOMEN CHESTABDPELVIS CSPINE EAR ELBOW EXTREMITY FACE "
    "FEMUR FINGER FOOT HAND HEAD HEADNECK HEART HIP JAW KIDNEY KNEE LEG LIVER LSPINE LUNG MAXILLA MEDIASTINUM NECK "
    "NECKCHEST NECKCHESTABDOMEN NECKCHESTABDPELV ORBIT PANCREAS PELVIS PROSTATE SHOULDER SINUS SKULL SPINE SPLEEN SSPINE THORAX "
    "TSPINE UTERUS WHOLEBODY WRIST"
)
WORDS: Mapping[str, frozenset[str]] = {
    "ImageType": frozenset(
        ["ORIGINAL", "DERIVED", "PRIMARY", "SECONDARY", "AXIAL", "HELIX", "REFORMATTED", "MPR", "AVERAGE"]
    ),
    "PatientPosition": frozenset(
        [
            "HFS",
            "HFP",
            "HFDR",
            "HFDL",
            "FFS",
            "FFP",
            "FFDR",
            "FFDL",
            "LFP",
            "LFS",
            "RFP",
            "RFS",
            "AFDR",
            "AFDL",
            "PFDR",
            "PFDL",
        ]
    ),
    "PhotometricInterpretation": frozenset(["MONOCHROME1", "MONOCHROME2"]),
    "RescaleType": frozenset(["HU", "US"]),
    "RotationDirection": frozenset(["CW", "CC"]),
    "AcquisitionType": frozenset(["SEQUENCED", "SPIRAL", "CONSTANT_ANGLE", "STATIONARY", "FREE"]),
    "ScanOptions": frozenset(["HELICAL MODE", "AXIAL MODE", "HELIX", "SPIRAL", "AXIAL"]),
    "BodyPartExamined": frozenset(_BODY_PARTS.split()),
    "Laterality": frozenset("LR"),
    "BurnedInAnnotation": frozenset(["NO"]),
    "LossyImageCompression": frozenset(["00", "01"]),
    "LossyImageCompressionMethod": frozenset(["ISO_10918_1", "ISO_14495_1", "ISO_15444_1", "ISO_15444_15"]),
}
_KERNELS = frozenset(
    ["STANDARD", "SOFT", "DETAIL", "BONE", "BONEPLUS", "LUNG", "CHEST", "EDGE", "ULTRA", "SHARP", "SMOOTH"]
)
_KERNEL = re.compile(r"[A-Z]{1,2}|FC\d\d|[A-Z][a-z]?\d\d[a-z]?|\d")
_MAKERS = {
    "siemens": "SIEMENS",
    "ge ": "GE MEDICAL SYSTEMS",
    "philips": "Philips",
    "toshiba": "TOSHIBA",
    "canon": "Canon Medical Systems",
    "hitachi": "Hitachi",
    "fujifilm": "FUJIFILM",
    "united imaging": "UIH",
    "uih": "UIH",
    "neusoft": "NMS",
}


def numbers(value: Any) -> Any:
    """Return a value, or several, if all are numbers; else None."""
    several = value if isinstance(value, list | tuple) or hasattr(value, "append") else [value]
    return value if several and all(isinstance(one, int | float) for one in several) else None


def words(value: Any, known: frozenset[str]) -> list[str]:
    """Return those values that are known words, in their order."""
    return [one for one in _texts(value) if one in known]


def kernel(value: Any) -> list[str]:
    """Return those parts of a convolution kernel's name that have the form of one."""
    return [one for one in _texts(value) if one in _KERNELS or _KERNEL.fullmatch(one)]


def maker(value: Any) -> list[str]:
    """Return the known manufacturer that a text begins with, under its usual name."""
    text = " ".join(_texts(value)).casefold()
    return [name for start, name in _MAKERS.items() if text.startswith(start)][:1]


def contrast(value: Any) -> list[str]:
    """Return that contrast was given, where its agent is named; not which."""
    return ["CONTRAST"] if any(_texts(value)) else []


TEXTS: Mapping[str, Callable[[Any], list[str]]] = {
    "ConvolutionKernel": kernel,
    "Manufacturer": maker,
    "ContrastBolusAgent": contrast,
}


def _texts(value: Any) -> list[str]:
    several = [value] if isinstance(value, str) or value is None else value
    return [str(one).strip() for one in several if one is not None]
