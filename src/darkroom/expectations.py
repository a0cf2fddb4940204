"""A Great Expectations suite over the manifest, and its Data Docs; the only place that imports great_expectations."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import great_expectations as gx
import pandas as pd
from great_expectations import expectations as expect
from great_expectations.checkpoint import UpdateDataDocsAction

from darkroom.manifest import labels_of
from darkroom.params import ValidateParams

SHOWN = 5  # offending images named in a message; the Data Docs list them all


@dataclass(frozen=True)
class Finding:
    """The outcome of one expectation."""

    expectation: str
    column: str
    success: bool
    observed: str
    offending: tuple[str, ...]
    """The names of a few offending images, or of the classes."""
    meaning: str
    """What was expected and how to get there."""

    def line(self) -> str:
        """Say in one line which expectation failed, why, and how to fix it."""
        named = f" ({', '.join(self.offending)})" if self.offending else ""
        return f"{self.expectation} on {self.column}: {self.observed}{named}; {self.meaning}"

    def as_json(self) -> dict[str, Any]:
        """Return the finding for a report."""
        return asdict(self)


def columns_to_check(manifest: pd.DataFrame) -> pd.DataFrame:
    """Add what expectations are held against but is no property of a single image."""
    class_size = manifest.groupby("label")["name"].transform("size")
    return manifest.assign(
        class_size=class_size,
        class_ratio=class_size.max() / class_size,
        labels_of_content=manifest.groupby("sha256")["label"].transform("nunique"),
    )


def suite(manifest: pd.DataFrame, params: ValidateParams) -> gx.ExpectationSuite:
    """Translate the ``validate`` section of params.yaml into a suite."""
    labels = list(params.labels or labels_of(manifest))
    return gx.ExpectationSuite(
        name="manifest",
        expectations=[
            expect.ExpectColumnValuesToNotBeNull(column="label", meta={"meaning": "every image needs a label"}),
            expect.ExpectColumnValuesToBeInSet(
                column="label",
                value_set=labels,
                meta={
                    "meaning": f"known labels are {', '.join(labels)}; relabel the others, or extend validate.labels"
                },
            ),
            expect.ExpectColumnDistinctValuesToContainSet(
                column="label",
                value_set=labels,
                meta={"meaning": "each label in validate.labels needs images; add some, or take the label out"},
            ),
            expect.ExpectColumnValuesToBeUnique(column="name", meta={"meaning": "every image needs a name of its own"}),
            expect.ExpectColumnValuesToBeBetween(
                column="width",
                min_value=params.minimum_side,
                max_value=params.maximum_side,
                meta={"meaning": _sides(params)},
            ),
            expect.ExpectColumnValuesToBeBetween(
                column="height",
                min_value=params.minimum_side,
                max_value=params.maximum_side,
                meta={"meaning": _sides(params)},
            ),
            expect.ExpectColumnValuesToBeInSet(
                column="mode",
                value_set=list(params.modes),
                meta={"meaning": f"validate.modes accepts {', '.join(params.modes)}; convert the images or extend it"},
            ),
            expect.ExpectColumnValuesToBeBetween(
                column="pixel_deviation",
                min_value=params.minimum_contrast,
                meta={"meaning": "an image must not be blank; remove it or lower validate.minimum_contrast"},
            ),
            expect.ExpectColumnProportionOfUniqueValuesToBeBetween(
                column="sha256",
                min_value=1 - params.maximum_duplicate_share,
                meta={"meaning": "too many exact copies; remove them or raise validate.maximum_duplicate_share"},
            ),
            expect.ExpectColumnValuesToBeBetween(
                column="labels_of_content",
                max_value=1,
                meta={"meaning": "the same picture must not carry two labels; keep the right one"},
            ),
            expect.ExpectColumnValuesToBeBetween(
                column="class_size",
                min_value=params.minimum_images_per_class,
                meta={
                    "meaning": f"each class needs {params.minimum_images_per_class} images; "
                    "add some, or lower validate.minimum_images_per_class"
                },
            ),
            expect.ExpectColumnValuesToBeBetween(
                column="class_ratio",
                max_value=params.maximum_class_ratio,
                meta={
                    "meaning": f"the largest class may have {params.maximum_class_ratio:g} times as many images as the "
                    "smallest; even them out, or raise validate.maximum_class_ratio"
                },
            ),
        ],
    )


def _sides(params: ValidateParams) -> str:
    limits = "validate.minimum_side and validate.maximum_side"
    return f"{params.minimum_side} to {params.maximum_side} pixels are accepted; change the images, or {limits}"


def validate(manifest: pd.DataFrame, params: ValidateParams, data_docs: Path) -> list[Finding]:
    """Hold the manifest against the suite and write the Data Docs.

    Args:
        manifest: as ``manifest.build`` makes it.
        params: the ``validate`` section.
        data_docs: a folder; the entry page is ``index.html``.

    Returns:
        One finding for each expectation, in the order of the suite.
    """
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    site = {
        "class_name": "SiteBuilder",
        "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(data_docs.resolve())},
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
    }
    context.add_data_docs_site(site_name="data_docs", site_config=site)
    asset = context.data_sources.add_pandas("images").add_dataframe_asset("manifest")
    batch = asset.add_batch_definition_whole_dataframe("all")
    definition = gx.ValidationDefinition(name="manifest", data=batch, suite=context.suites.add(suite(manifest, params)))
    checkpoint = context.checkpoints.add(
        gx.Checkpoint(
            name="manifest",
            validation_definitions=[context.validation_definitions.add(definition)],
            actions=[UpdateDataDocsAction(name="data_docs", site_names=["data_docs"])],
            result_format={"result_format": "COMPLETE", "unexpected_index_column_names": ["name", "label"]},
        )
    )
    result = checkpoint.run(batch_parameters={"dataframe": columns_to_check(manifest)})
    (outcome,) = result.run_results.values()
    return [_finding(row) for row in outcome.results]


def _finding(row: Any) -> Finding:
    """Flatten what Great Expectations returns for one expectation."""
    if row.exception_info.get("raised_exception"):
        raise RuntimeError(row.exception_info["exception_message"])
    config, result = row.expectation_config, row.result
    # What a class lacks is said of the class, what an image lacks of the image.
    key = "label" if config.kwargs["column"].startswith("class_") else "name"
    offending = dict.fromkeys(index[key] for index in result.get("unexpected_index_list") or [])
    if "unexpected_count" in result:
        values = sorted({f"{value:g}" if isinstance(value, float) else str(value)
                         for value in result.get("partial_unexpected_list", [])})  # fmt: skip
        observed = f"{result['unexpected_count']} of {result['element_count']} images"
        observed += f" have {', '.join(values[:SHOWN])}" if values else ""
    elif missing := result.get("partial_missing_list"):
        observed = f"no image of {', '.join(map(str, missing))}"
    else:
        observed = f"{result.get('observed_value')} found"
    return Finding(
        expectation=config.type,
        column=config.kwargs["column"],
        success=bool(row.success),
        observed=observed,
        offending=tuple(offending)[:SHOWN],
        meaning=config.meta["meaning"],
    )
