"""Rules held against the images by Great Expectations, and its Data Docs; the only place that imports it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import great_expectations as gx
import pandas as pd
from great_expectations.checkpoint import UpdateDataDocsAction
from great_expectations.exceptions import GreatExpectationsError

from darkroom import manifest
from darkroom.errors import InputError
from darkroom.rules import Rule, is_of_images

SHOWN = 5  # offending images named in a message; the Data Docs list them all


@dataclass(frozen=True)
class Finding:
    """The outcome of one expectation."""

    expectation: str
    column: str
    of: str
    """``image``: those that break it are left out; ``data``: it stops the pipeline."""
    success: bool
    observed: str
    offending: tuple[str, ...]
    """The names of the offending images, or of the classes."""
    meaning: str
    """What was expected and how to get there."""

    def line(self) -> str:
        """Say in one line which expectation failed, why, and how to fix it."""
        named = f" ({', '.join(self.offending[:SHOWN])})" if self.offending else ""
        return f"{self.expectation} on {self.column}: {self.observed}{named}; {self.meaning}"

    def as_json(self) -> dict[str, Any]:
        """Return the finding for a report."""
        return {**asdict(self), "offending": self.offending[:SHOWN]}


@dataclass(frozen=True)
class Validation:
    """What came of all expectations."""

    findings: list[Finding]
    quarantine: pd.DataFrame
    """All images that are not used, see ``manifest.QUARANTINE_COLUMNS``."""

    def failed(self) -> list[Finding]:
        """Return what stops the pipeline."""
        return [finding for finding in self.findings if finding.of == "data" and not finding.success]


class Suites:
    """Suites of expectations and the Data Docs that tell of them."""

    def __init__(self, data_docs: Path) -> None:
        self._context = gx.get_context(mode="ephemeral")
        self._context.variables.progress_bars = {"globally": False}
        backend = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(data_docs.resolve())}
        site = {
            "class_name": "SiteBuilder",
            "store_backend": backend,
            "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        }
        self._context.add_data_docs_site(site_name="data_docs", site_config=site)
        self._source = self._context.data_sources.add_pandas("images")

    def findings(self, name: str, frame: pd.DataFrame, rules: Sequence[Rule]) -> list[Finding]:
        """Hold a frame against rules, in their order.

        Raises:
            InputError: a rule is none that Great Expectations knows.
        """
        suite = self._context.suites.add(gx.ExpectationSuite(name=name, expectations=[_expectation(r) for r in rules]))
        batch = self._source.add_dataframe_asset(name).add_batch_definition_whole_dataframe("all")
        definition = gx.ValidationDefinition(name=name, data=batch, suite=suite)
        checkpoint = self._context.checkpoints.add(
            gx.Checkpoint(
                name=name,
                validation_definitions=[self._context.validation_definitions.add(definition)],
                actions=[UpdateDataDocsAction(name="data_docs", site_names=["data_docs"])],
                result_format={"result_format": "COMPLETE", "unexpected_index_column_names": ["name", "label"]},
            )
        )
        # Great Expectations hashes every column that it is given.
        needed = {"name", "label", *(rule["kwargs"]["column"] for rule in rules)}
        parameters = {"dataframe": frame[[column for column in frame.columns if column in needed]]}
        (outcome,) = checkpoint.run(batch_parameters=parameters).run_results.values()
        return [_finding(row) for row in outcome.results]


def _expectation(rule: Rule) -> Any:
    """Make Great Expectations' own object of a rule, which checks it."""
    words = "".join(word.capitalize() for word in str(rule["type"]).split("_"))
    kind = getattr(gx.expectations, words, None)
    if kind is None:
        raise InputError(f"no expectation is called {rule['type']!r}; correct it in the file of learnt expectations")
    try:
        return kind(**rule["kwargs"], meta=rule["meta"])
    except (ValueError, TypeError, GreatExpectationsError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{rule['type']} on {rule['kwargs']['column']} cannot be held: {reason}; correct it") from None


def validate(rows: pd.DataFrame, unread: pd.DataFrame, rules: Sequence[Rule], suites: Suites) -> Validation:
    """Hold images against rules: first each by itself, then those that are left together.

    Args:
        rows: the manifest.
        unread: files that are left out already, see ``manifest.QUARANTINE_COLUMNS``.
        rules: see ``rules``.
        suites: holds them, and writes the Data Docs.
    """
    everything = _all(rows, unread)
    alone = suites.findings("images", everything, [rule for rule in rules if is_of_images(rule)])
    broken = [(offender, finding) for finding in alone for offender in finding.offending]
    quarantine = _quarantine(rows, unread, broken)
    of_data = [rule for rule in rules if not is_of_images(rule)]
    together = suites.findings("data", _together(everything, quarantine), of_data)
    return Validation([*alone, *together], quarantine)


def _all(rows: pd.DataFrame, unread: pd.DataFrame) -> pd.DataFrame:
    """Put all files into one table, those that could not be read with nothing but name and reason.

    Contents are numbered, since what is expected of them is whether they are the same: Great Expectations hashes each
    value that it is given, and long texts take their time.
    """
    refusal = pd.Series(None, rows.index, dtype="str")
    used = rows.assign(refusal=refusal, content=pd.factorize(rows["sha256"])[0], labels_of_content=1)
    copies = used[used["content"].duplicated(keep=False)]
    used.loc[copies.index, "labels_of_content"] = copies.groupby("content")["label"].transform("nunique")
    refused = unread[["name", "label"]].assign(refusal=unread["reason"])
    return pd.concat([used, refused], ignore_index=True)


def _quarantine(rows: pd.DataFrame, unread: pd.DataFrame, broken: list[tuple[str, Finding]]) -> pd.DataFrame:
    """Add the images that break a rule, each with the first that it breaks."""
    first: dict[str, Finding] = {}
    for name, finding in broken:
        first.setdefault(name, finding)
    known = rows[rows["name"].isin(first)]
    added = (
        (name, label, f"{first[name].column}: {first[name].expectation}", first[name].meaning)
        for name, label in known[["name", "label"]].itertuples(index=False, name=None)
    )
    return pd.concat([unread, manifest.quarantine_from_rows(added)], ignore_index=True)


def _together(everything: pd.DataFrame, quarantine: pd.DataFrame) -> pd.DataFrame:
    """Blank the images that are left out, and add what no single image has."""
    unused = everything["name"].isin(quarantine["name"])
    used = everything.assign(**{column: everything[column].mask(unused) for column in everything.columns.drop("name")})
    class_size = used.groupby("label")["name"].transform("size")
    ratio = class_size.max() / class_size
    return used.assign(quarantined=unused.astype("float64"), class_size=class_size, class_ratio=ratio)


def _finding(row: Any) -> Finding:
    """Flatten what Great Expectations returns for one expectation."""
    config, result = row.expectation_config, row.result
    if reason := _exception(row):
        raise InputError(
            f"{config.type} on {config.kwargs['column']} cannot be held: {reason}; correct it where it is learnt or set"
        )
    # What a class lacks is said of the class, what an image lacks of the image.
    key = "label" if config.kwargs["column"].startswith("class_") else "name"
    offending = dict.fromkeys(index[key] for index in result.get("unexpected_index_list") or [])
    if "unexpected_count" in result:
        values = sorted({f"{value:g}" if isinstance(value, float) else str(value)
                         for value in result.get("partial_unexpected_list", [])})  # fmt: skip
        count = result["element_count"] - (result.get("missing_count") or 0)
        observed = f"{result['unexpected_count']} of {count} images"
        observed += f" have {', '.join(values[:SHOWN])}" if values else ""
    elif missing := result.get("partial_missing_list"):
        observed = f"no image of {', '.join(map(str, missing))}"
    else:
        observed = f"{_number(result.get('observed_value'))} found"
    return Finding(
        expectation=config.type,
        column=config.kwargs["column"],
        of=config.meta.get("of", "data"),
        success=bool(row.success),
        observed=observed,
        offending=tuple(offending),
        meaning=config.meta["meaning"],
    )


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _exception(row: Any) -> str | None:
    """Return what kept an expectation from being held; Great Expectations says it for the whole or for each metric."""
    found: dict[str, Any] = row.exception_info
    parts = [found] if "raised_exception" in found else list(found.values())
    return next((" ".join(str(part["exception_message"]).split()) for part in parts if part["raised_exception"]), None)
