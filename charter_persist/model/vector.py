"""Documents with embeddings, collections of them, and how near two embeddings are.

An embedding is kept as float32, little-endian: what is read is what was given, rounded to float32 once. Nothing here
needs NumPy. Imports ``errors``, ``model.canonical``, ``model.limits`` and ``model.text``. Source: ENA-5, NEIGHBOURS 4.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from math import isfinite
from typing import Any, Final

from charter_persist.errors import DimensionError, InvalidInputError, LimitExceededError, NotCanonicalError
from charter_persist.model.canonical import canonical_bytes
from charter_persist.model.limits import Options

FLOAT32_BYTES: Final = 4
_NUMBERS: Final = frozenset({int, float})


class DistanceMetric(StrEnum):
    """How near a document is to a query; the score is higher for the nearer one with each of them.

    Attributes:
        COSINE: q·x / (‖q‖ ‖x‖), from -1 to 1. The zero vector has no direction and is refused.
        DOT: q·x, any number.
        EUCLIDEAN: -‖q - x‖, 0 for the query itself and below for all else.
    """

    COSINE = "cosine"
    DOT = "dot"
    EUCLIDEAN = "euclidean"


@dataclass(frozen=True, slots=True)
class VectorDocument:
    """A document of a collection.

    Attributes:
        id: its name in the collection.
        content: text, which may be empty.
        embedding: finite numbers, as many as the collection has dimensions; a NumPy array of one dimension is taken as
            well. What is read is a tuple of floats.
        metadata: what filters look at; has a canonical JSON form.
    """

    id: str
    content: str
    embedding: Any = field(repr=False)
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CollectionInfo:
    """A collection.

    Attributes:
        name: its name.
        dimension: numbers in each embedding.
        metric: how near is measured.
        count: number of documents.
    """

    name: str
    dimension: int
    metric: DistanceMetric
    count: int


@dataclass(frozen=True, slots=True)
class VectorSearchResult:
    """A document that was found.

    Attributes:
        document: as it is stored.
        score: by the metric of the collection; higher is nearer.
    """

    document: VectorDocument
    score: float


def check_dimension(dimension: object, options: Options) -> int:
    """Return a dimension.

    Raises:
        InvalidInputError: it is not an ``int`` of 1 or more.
        LimitExceededError: it is beyond ``vector_dimension_max``.
    """
    if type(dimension) is not int or dimension < 1:
        raise InvalidInputError(f"dimension must be an integer, 1 or more; got {dimension!r}")
    maximum = options.vector_dimension_max
    if dimension > maximum:
        raise LimitExceededError(limit="vector_dimension_max", maximum=maximum, actual=dimension)
    return dimension


def check_metric(metric: object) -> DistanceMetric:
    """Return a metric given by its name or as itself.

    Raises:
        InvalidInputError: there is none of that name.
    """
    try:
        return DistanceMetric(metric)  # type: ignore[arg-type]  # whatever it is, it is refused here
    except ValueError as exc:
        raise InvalidInputError(f"metric must be cosine, dot or euclidean; got {metric!r}") from exc


def embedding_bytes(values: object, *, dimension: int, metric: DistanceMetric) -> bytes:
    """The stored form of an embedding: float32, little-endian.

    Args:
        values: a list or tuple of ``int`` and ``float``, or an array that has ``tolist``, such as NumPy's.
        dimension: that it must have.
        metric: of its collection.

    Raises:
        DimensionError: it has another dimension.
        InvalidInputError: it is no such sequence, holds something that is not exactly a number, NaN, an infinity or a
            number beyond float32; or it is zero where the metric is cosine.
    """
    numbers = _plain(values)
    if len(numbers) != dimension:
        raise DimensionError(expected=dimension, actual=len(numbers))
    if not _NUMBERS.issuperset(map(type, numbers)):
        place = next(i for i, value in enumerate(numbers) if type(value) not in _NUMBERS)
        raise InvalidInputError(f"embedding[{place}] must be a number, got {type(numbers[place]).__name__}")
    try:
        data = struct.pack(f"<{dimension}f", *numbers)
    except (OverflowError, struct.error) as exc:
        raise InvalidInputError("the embedding holds a number beyond float32") from exc
    # A sum in double precision of numbers in single precision cannot overflow, so it is finite where all of them are.
    if not isfinite(sum(numbers)):
        place = next(i for i, value in enumerate(numbers) if not isfinite(value))
        raise InvalidInputError(f"embedding[{place}] is {numbers[place]}, which is not finite")
    if metric is DistanceMetric.COSINE and not any(embedding_of(data)):
        raise InvalidInputError("the embedding is zero, which has no direction; use the metric dot or euclidean")
    return data


def _plain(values: object) -> list[Any] | tuple[Any, ...]:
    """The numbers of a sequence or of an array."""
    plain = values.tolist() if hasattr(values, "tolist") else values
    if type(plain) is list or type(plain) is tuple:
        return plain
    raise InvalidInputError(f"an embedding must be a list, tuple or array of numbers, got {type(values).__name__}")


def embedding_of(data: bytes) -> tuple[float, ...]:
    """The numbers of a stored embedding."""
    return struct.unpack(f"<{len(data) // FLOAT32_BYTES}f", data)


def content_bytes(content: object, options: Options) -> bytes:
    """The stored form of a content: UTF-8.

    Raises:
        InvalidInputError: it is no text, or holds a lone surrogate.
        LimitExceededError: it is longer than ``vector_content_bytes_max``.
    """
    if type(content) is not str:
        raise InvalidInputError(f"content must be a text, got {type(content).__name__}")
    try:
        data = content.encode()
    except UnicodeEncodeError as exc:
        raise InvalidInputError(f"content holds a lone surrogate at index {exc.start}") from exc
    maximum = options.vector_content_bytes_max
    if len(data) > maximum:
        raise LimitExceededError(limit="vector_content_bytes_max", maximum=maximum, actual=len(data))
    return data


def metadata_bytes(metadata: object, options: Options) -> bytes:
    """The stored form of metadata: canonical JSON of an object.

    Raises:
        NotCanonicalError: it is no dictionary, or has no canonical JSON form.
        LimitExceededError: it is longer than ``vector_metadata_bytes_max``, or nested too deep.
    """
    if type(metadata) is not dict:
        raise NotCanonicalError(f"metadata must be a dictionary, got {type(metadata).__name__}")
    return canonical_bytes(metadata, options=options, limit="vector_metadata_bytes_max")
