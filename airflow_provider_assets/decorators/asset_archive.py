"""``@task.asset_archive``: archives what a function selects."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk.bases.decorator import DecoratedOperator, task_decorator_factory
from airflow.sdk.definitions.context import context_merge

from airflow_provider_assets.listing.inputs import ExportInputs
from airflow_provider_assets.operators.archive import AssetArchiveOperator
from airflow_provider_assets.sansio.arguments import to_plain
from airflow_provider_assets.sansio.errors import InvalidRequestError

try:
    from airflow.sdk.bases.decorator import determine_kwargs
except ImportError:  # below 3.2, its older home
    from airflow.utils.operator_helpers import determine_kwargs  # type: ignore[attr-defined]  # the same

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.bases.decorator import TaskDecorator

# The arguments of the operator that only the run can know.
SELECTION = ("items", "select", "window", "options", "max_items")


class AssetArchiveDecoratedOperator(DecoratedOperator, AssetArchiveOperator):
    """Call a function, and archive what it selects.

    The function returns a mapping with any of the operator's arguments *items*, *select*, *window*,
    *options* and *max_items*, for example ``{"items": {"asset_ids": [...]}}``. It is called by attempts that
    have no batches of an earlier attempt to resume, and once more when a deferred wait for the listing ends.

    :param python_callable: the function. :param op_args: its positional arguments, templated.
    :param op_kwargs: its keyword arguments, templated; it also gets those of the context that it names.
    :param kwargs: as in :class:`AssetArchiveOperator`.
    :raises InvalidRequestError: if the function returns anything else, or None for what would narrow the
        export, also within ``select`` and ``window``.
    """

    template_fields: Sequence[str] = (
        *DecoratedOperator.template_fields,
        *AssetArchiveOperator.template_fields,
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {
        **DecoratedOperator.template_fields_renderers,
        **AssetArchiveOperator.template_fields_renderers,
    }
    custom_operator_name = "@task.asset_archive"
    overwrite_rtif_after_execution = True

    def __init__(
        self,
        *,
        python_callable: Callable[..., Mapping[str, Any]],
        op_args: Collection[Any] | None = None,
        op_kwargs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            python_callable=python_callable, op_args=op_args, op_kwargs=op_kwargs, **kwargs
        )

    def execute(self, context: Context) -> Any:
        """Archive as the operator does; ``DecoratedOperator`` would only call the function."""
        return AssetArchiveOperator.execute(self, context)

    def _given(self) -> list[object]:
        """The arguments of the function, since what it returns may differ from attempt to attempt."""
        return [*super()._given(), self.op_args, self.op_kwargs]

    def _inputs(self, context: Context) -> ExportInputs:
        """Call the function, and check what it selects."""
        context_merge(context, self.op_kwargs)
        arguments = determine_kwargs(self.python_callable, self.op_args, context)
        self._take(self.python_callable(*self.op_args, **arguments))
        return super()._inputs(context)

    def _take(self, selected: object) -> None:
        """Use what the function has returned.

        :raises InvalidRequestError: if it is not a selection, has lost what narrows it, or does not go
            with *lookback*.
        """
        from airflow_provider_assets.operators.choices import check_choices
        from airflow_provider_assets.operators.rendered import check_rendered

        name = self.python_callable.__name__
        selection = to_plain(selected)
        if not isinstance(selection, dict):
            raise InvalidRequestError(
                f"{name} returned {type(selected).__name__}; @task.asset_archive needs a mapping such as "
                '{"items": {"asset_ids": [...]}}'
            )
        if unknown := [one for one in selection if one not in SELECTION]:
            raise InvalidRequestError(
                f"{name} returned {', '.join(map(str, unknown))}; it may return only "
                f"{', '.join(SELECTION)}, and anything else is an argument of @task.asset_archive"
            )
        for argument, value in selection.items():
            setattr(self, argument, value)
        check_rendered(dict.fromkeys(selection, name), vars(self))
        # Again, since what is selected decides whether a lookback has a meaning.
        check_choices({**vars(self), "dry_run": self.is_dry_run})


def asset_archive_task(
    python_callable: Callable[..., Mapping[str, Any]] | None = None, **kwargs: Any
) -> TaskDecorator:
    """Make a function the task that archives what it selects; Airflow offers it as ``@task.asset_archive``.

    :param kwargs: arguments of :class:`AssetArchiveOperator`, ``conn_id`` at least.
    :raises InvalidRequestError: for *multiple_outputs*: the task returns a list.
    """
    if kwargs.pop("multiple_outputs", None):
        raise InvalidRequestError(
            "multiple_outputs: @task.asset_archive returns a list of archive references, not the "
            "mapping of its function; leave it out"
        )
    return task_decorator_factory(
        python_callable=python_callable,
        # Airflow would infer it from the annotation of a function that returns a mapping.
        multiple_outputs=False,
        decorated_operator_class=AssetArchiveDecoratedOperator,
        **kwargs,
    )
