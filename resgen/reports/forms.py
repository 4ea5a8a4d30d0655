"""What ``resgen report`` writes, whichever kind of result it was given."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from resgen.errors import ResgenError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from resgen.document.files import Format
    from resgen.records.comparison import Comparison
    from resgen.records.diagnosis import Diagnosis
    from resgen.records.profile import Record
    from resgen.reports.csv import Sheet

Form: TypeAlias = Literal["html", "md", "csv", "json"]
#: Results of one kind.
Results: TypeAlias = "Sequence[Record] | Sequence[Diagnosis] | Sequence[Comparison]"

#: What the name of a file ends in, and the form that it says.
_ENDINGS: Final[dict[str, Form]] = {
    ".html": "html", ".htm": "html", ".md": "md", ".csv": "csv", ".json": "json"
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Forms:
    """The forms of one kind of result; ``sheets`` are its tables as CSV.

    The first sheet is written unless another is named.
    """

    format: Format[Any]
    sheets: Mapping[str, Sheet]
    html: Callable[[Any], str]
    markdown: Callable[[Any], str]
    lines: Callable[[Any], Iterable[str]]
    notebook: Callable[[Any], str]

    @property
    def page(self) -> str:
        """What its HTML file is called."""
        return f"{self.format.name}.html"


def forms_of(results: Results) -> Forms:
    """The forms in which these results can be written."""
    from resgen.records.comparison import Comparison
    from resgen.records.diagnosis import Diagnosis

    if isinstance(results[0], Diagnosis):
        return _of_diagnoses()
    if isinstance(results[0], Comparison):
        return _of_comparisons()
    return _of_profiles()


def _of_profiles() -> Forms:
    from resgen.profiling.documents import REPORT
    from resgen.reports.profile import csv, html, markdown, terminal

    return Forms(
        REPORT, csv.SHEETS, html.render, markdown.render, terminal.lines, html.notebook
    )


def _of_comparisons() -> Forms:
    from resgen.profiling.documents import COMPARISON
    from resgen.reports.comparison import csv, html, markdown, terminal

    return Forms(
        COMPARISON,
        csv.SHEETS,
        html.render,
        markdown.render,
        terminal.lines,
        html.notebook,
    )


def _of_diagnoses() -> Forms:
    from resgen.diagnosis.documents import DIAGNOSIS
    from resgen.reports.diagnosis import csv, html, markdown, terminal

    return Forms(
        DIAGNOSIS,
        csv.SHEETS,
        html.render,
        markdown.render,
        terminal.lines,
        html.notebook,
    )


def rendered(results: Results, form: Form, table: str | None = None) -> str:
    """The text of the form; ``table`` is for CSV.

    A table that is of the other kind is a UsageError, several results as JSON are a
    ResgenError, since such a file holds one.
    """
    forms = forms_of(results)
    if table is not None and table not in forms.sheets:
        raise UsageError(
            f"these results have no table of {table}",
            hint=f"theirs are {', '.join(forms.sheets)}",
        )
    if form == "json":
        if len(results) != 1:
            name = forms.format.name
            raise ResgenError(
                f"a {name}.json holds one result, and these are {len(results)}",
                hint="convert them one by one",
            )
        return forms.format.to_text(results[0])
    if form == "csv":
        return forms.sheets[table or next(iter(forms.sheets))].written(results)
    return forms.markdown(results) if form == "md" else forms.html(results)


def form_of(out: Path) -> Form:
    """The form that a file's name says, else a UsageError."""
    found = _ENDINGS.get(out.suffix.lower())
    if found is None:
        raise UsageError(
            f"{out} does not say by its name what to write ({', '.join(_ENDINGS)})",
            hint="the format can be said beside it: html, md, csv or json",
        )
    return found


def write(results: Results, out: Path) -> None:
    """Write the form that the file's name says."""
    from resgen.files.whole import write_text

    write_text(out, rendered(results, form_of(out)))
