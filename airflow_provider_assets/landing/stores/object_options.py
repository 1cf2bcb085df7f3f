"""Properties of the data objects that a landing writes: content type, storage class, tags and others."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from airflow_provider_assets.landing.stores.content_types import content_type
from airflow_provider_assets.sansio.errors import InvalidRequestError

_TEXTS = ("content_type", "storage_class", "acl", "kms_key")
_MAPPINGS = ("tags", "metadata")
NAMES = ("content_type", "storage_class", "tags", "metadata", "acl", "kms_key")
# Amazon S3 User Guide, "Categorizing your objects using tags"; Azure "Set Blob Tags" has the same limits.
_MOST_TAGS, _TAG_NAME, _TAG_VALUE = 10, 128, 256
# Amazon S3 User Guide, "Working with object metadata": names and values are headers, of 2 KB in all. Azure
# ("Setting and retrieving properties and metadata") and Google Cloud Storage allow 8 KiB.
_METADATA_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_HEADER = re.compile(r"[!-~]([ -~]*[!-~])?")  # a value that every store takes as a header
_METADATA_BYTES = 2048


@dataclass(frozen=True, slots=True)
class ObjectOptions:
    """Properties of data objects, in words that do not depend on the store.

    :param content_type: media type of all objects; None: that of each object's name.
    :param storage_class: S3 or Google storage class, Azure access tier; None: the store's default.
    :param tags: object tags of S3, blob tags of Azure. :param metadata: user metadata.
    :param acl: canned ACL of S3, predefined ACL of Google Cloud Storage.
    :param kms_key: id of the KMS key (S3, Google), encryption scope (Azure).
    """

    content_type: str | None = None
    storage_class: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    acl: str | None = None
    kms_key: str | None = None

    @classmethod
    def parse(cls, given: object) -> ObjectOptions:
        """The options that a user gave.

        :param given: a mapping of them; None: no options.
        :raises InvalidRequestError: if a name is unknown, or a value has the wrong type or form.
        """
        if given is None:
            return DEFAULTS
        if not isinstance(given, Mapping):
            raise InvalidRequestError(
                f"object_options must be a mapping of {_listed(NAMES)}, not {type(given).__name__}"
            )
        for name, value in given.items():
            if name in _TEXTS:
                _check_text(name, value)
            elif name in _MAPPINGS:
                _check_mapping(name, value)
            else:
                raise InvalidRequestError(
                    f"object_options: {name!r} is unknown; use {_listed(NAMES)}"
                )
        options = cls(**given)
        _check_sizes(options)
        return options

    @property
    def given(self) -> dict[str, object]:
        """Name -> value of the options that are set."""
        return {name: value for name in NAMES if (value := getattr(self, name))}

    def type_of(self, key: str) -> str:
        """The content type of the object with this key."""
        return self.content_type or content_type(key)

    def admit(self, store: str, has: Collection[str]) -> None:
        """Check that *store* has all options that are set.

        :param store: what the store is called. :param has: names of the options that it has.
        :raises InvalidRequestError: naming the first that it lacks.
        """
        for name in self.given:
            if name not in has:
                raise InvalidRequestError(
                    f"object_options: {store} has no {name!r}; it has {_listed(has) or 'none'}"
                )


DEFAULTS = ObjectOptions()


def check_value(name: str, value: str | None, values: Collection[str], store: str) -> None:
    """Check the value of an option of which *store* knows all values.

    :raises InvalidRequestError: naming these values, if it is not one of them.
    """
    if value is not None and value not in values:
        raise InvalidRequestError(
            f"object_options: {name}={value!r} is unknown to {store}; use {_listed(sorted(values), 'or')}"
        )


def check_tags(options: ObjectOptions, characters: re.Pattern[str], store: str) -> None:
    """Check that names and values of tags consist of the *characters* that *store* takes.

    :raises InvalidRequestError: naming the first tag that does not.
    """
    for name, value in options.tags.items():
        if not characters.fullmatch(name) or not characters.fullmatch(value):
            raise InvalidRequestError(
                f"object_options: the tag {name!r} has characters that {store} does not accept; "
                "use letters, digits, spaces and + - = . _ : /"
            )


def check_own_name(options: ObjectOptions, name: str) -> None:
    """Check that the user metadata leaves *name* to the store, which keeps its checksum there.

    :raises InvalidRequestError: if it has that name, too.
    """
    if name in {given.lower() for given in options.metadata}:
        raise InvalidRequestError(
            f"object_options: the metadata name {name!r} holds the checksum; choose another"
        )


def _listed(names: Collection[str], last: str = "and") -> str:
    *first, final = names or ("",)
    return f"{', '.join(first)} {last} {final}" if first else final


def _check_text(name: str, value: object) -> None:
    if not isinstance(value, str) or not _HEADER.fullmatch(value):
        raise InvalidRequestError(
            f"object_options: {name} must be a string of printable ASCII, not empty and without spaces "
            f"around it, not {value!r}"
        )


def _check_mapping(name: str, value: object) -> None:
    if not isinstance(value, Mapping):
        raise InvalidRequestError(
            f"object_options: {name} must be a mapping of strings, not {type(value).__name__}"
        )
    for key, one in value.items():
        if not isinstance(key, str) or not isinstance(one, str):
            raise InvalidRequestError(
                f"object_options: {name} must map strings to strings, not {key!r} to {one!r}"
            )


def _check_sizes(options: ObjectOptions) -> None:
    tags, metadata = options.tags, options.metadata
    if len(tags) > _MOST_TAGS:
        raise InvalidRequestError(
            f"object_options: {len(tags)} tags are too many; an object has at most {_MOST_TAGS}"
        )
    for name, value in tags.items():
        if not 0 < len(name) <= _TAG_NAME or len(value) > _TAG_VALUE:
            raise InvalidRequestError(
                f"object_options: the tag {name!r} must have a name of 1 to {_TAG_NAME} characters and a "
                f"value of at most {_TAG_VALUE}"
            )
    for name, value in metadata.items():
        if not _METADATA_NAME.fullmatch(name):
            raise InvalidRequestError(
                f"object_options: the metadata name {name!r} must consist of letters, digits, '_', '-' "
                "and '.'"
            )
        _check_text(f"the metadata {name!r}", value)
    if sum(len(name) + len(value) for name, value in metadata.items()) > _METADATA_BYTES:
        raise InvalidRequestError(
            f"object_options: the metadata takes more than {_METADATA_BYTES} bytes; shorten it"
        )
