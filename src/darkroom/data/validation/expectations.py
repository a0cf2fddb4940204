"""Validate images with Great Expectations and write its Data Docs; the only module that imports it."""

import re
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import great_expectations as gx
import pandas as pd
from great_expectations.checkpoint import UpdateDataDocsAction
from great_expectations.exceptions import GreatExpectationsError

from darkroom.base.errors import InputError
from darkroom.base.files import write_text
from darkroom.data.validation import findings
from darkroom.data.validation.findings import SHOWN, Finding, Validation
from darkroom.data.validation.pages import EscapingView
from darkroom.data.validation.rules import Rule

TIMES = re.compile(r"\d{8}T\d{6}\.\d+Z|\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:?\d{2})?")
"""Times as Great Expectations writes them, in pages and in the names of their folders."""
SORT_KEYS = re.compile(r"(?<='_run_time_sort': )[\d.]+")
IDS = re.compile(r"(?<=collapse-body-)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""Ids of elements; a UUID elsewhere is part of an image's name."""
NO_TIME = "last-run"
SECTIONS = {"validations": "Results of", "expectations": "Expectations of"}
VIEW = {"module_name": EscapingView.__module__, "class_name": EscapingView.__name__}


class Suites:
    """Runs suites of expectations and writes Data Docs."""

    def __init__(self, data_docs: Path) -> None:
        self._data_docs = data_docs
        self._started = datetime.now(UTC)
        if data_docs.exists():
            # Great Expectations reads times from the names of earlier pages, which have none.
            shutil.rmtree(data_docs)
        self._context = gx.get_context(mode="ephemeral")
        self._context.variables.progress_bars = {"globally": False}
        backend = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(data_docs.resolve())}
        site = {
            "class_name": "SiteBuilder",
            "store_backend": backend,
            "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
            "site_section_builders": {section: {"view": VIEW} for section in ("expectations", "validations")},
        }
        self._context.add_data_docs_site(site_name="data_docs", site_config=site)
        self._source = self._context.data_sources.add_pandas("images")

    def findings(self, name: str, frame: pd.DataFrame, rules: Sequence[Rule]) -> list[Finding]:
        """Check a frame against rules; return the outcomes in the same order.

        Raises:
            InputError: Great Expectations does not know a rule, or cannot evaluate it.
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
        # Great Expectations hashes every column, so pass only those that are needed.
        needed = {"name", "label", *(rule["kwargs"]["column"] for rule in rules)}
        parameters = {"dataframe": frame[[column for column in frame.columns if column in needed]]}
        (outcome,) = checkpoint.run(batch_parameters=parameters).run_results.values()
        return [_finding(row) for row in outcome.results]

    def finish(self) -> None:
        """Make the pages reproducible, and list them on the first one.

        The table that Great Expectations has there is drawn by a script from the internet.
        """
        self._make_reproducible()
        index = self._data_docs / "index.html"
        links = [
            f'<li><a href="{place}">{title} {Path(place).parts[1].removesuffix(".html")}</a></li>'
            for folder, title in SECTIONS.items()
            for place in self._pages(folder)
        ]
        start, body, rest = index.read_text(encoding="utf-8").partition("<body>")
        write_text(index, f"{start}{body}<ul>{''.join(links)}</ul>{rest}")

    def _pages(self, folder: str) -> list[str]:
        pages = (self._data_docs / folder).rglob("*.html")
        return sorted(page.relative_to(self._data_docs).as_posix() for page in pages)

    def _make_reproducible(self) -> None:
        """Remove times and random ids from Data Docs, so that equal results give equal pages."""
        for page in sorted(self._data_docs.rglob("*.html")):
            text = _without_ids(TIMES.sub(self._without_time, SORT_KEYS.sub("0", page.read_text(encoding="utf-8"))))
            place = TIMES.sub(self._without_time, page.relative_to(self._data_docs).as_posix())
            page.unlink()
            write_text(self._data_docs / place, text)
        for folder in sorted(self._data_docs.rglob("*"), reverse=True):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()

    def _without_time(self, found: re.Match[str]) -> str:
        """Replace a time if it is of this run; any other is part of an image's name."""
        try:
            time = datetime.fromisoformat(found.group())
        except ValueError:
            return found.group()
        time = time if time.tzinfo else time.replace(tzinfo=UTC)
        is_own = self._started - timedelta(seconds=1) <= time <= datetime.now(UTC)
        return NO_TIME if is_own else found.group()


def _without_ids(page: str) -> str:
    """Number the random ids of a page's elements in their order."""
    numbers: dict[str, str] = {}
    return IDS.sub(lambda found: numbers.setdefault(found.group(), str(len(numbers))), page)


def _expectation(rule: Rule) -> Any:
    """Convert a rule to an object of Great Expectations, which validates it."""
    words = "".join(word.capitalize() for word in str(rule["type"]).split("_"))
    kind = getattr(gx.expectations, words, None)
    if kind is None:
        raise InputError(f"unknown expectation {rule['type']!r}; correct it in the file of learnt expectations")
    try:
        return kind(**rule["kwargs"], meta=rule["meta"])
    except (ValueError, TypeError, GreatExpectationsError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{rule['type']} on {rule['kwargs']['column']} is invalid: {reason}; correct it") from None


def validate(rows: pd.DataFrame, unread: pd.DataFrame, rules: Sequence[Rule], suites: Suites) -> Validation:
    """Check rules, see ``findings.validate``, and write the Data Docs."""
    found = findings.validate(rows, unread, rules, suites.findings)
    suites.finish()
    return found


def _finding(row: Any) -> Finding:
    """Convert a result of Great Expectations to a finding."""
    config, result = row.expectation_config, row.result
    if reason := _exception(row):
        raise InputError(
            f"{config.type} on {config.kwargs['column']} cannot be evaluated: {reason}; correct it where it is defined"
        )
    # Expectations about class columns name classes, all others name images.
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
    elif result.get("observed_value") is None:
        observed = findings.NONE_MISSING
    else:
        observed = f"{_number(result['observed_value'])} found"
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
    """Return why an expectation could not be evaluated; Great Expectations reports it as a whole or per metric."""
    found: dict[str, Any] = row.exception_info
    parts = [found] if "raised_exception" in found else list(found.values())
    return next((" ".join(str(part["exception_message"]).split()) for part in parts if part["raised_exception"]), None)
