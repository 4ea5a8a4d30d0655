"""What ``resgen report`` writes, whichever kind of result it was given."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from resgen.errors import ResgenError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from resgen.records.comparison import Comparison
    from resgen.records.diagnosis import Diagnosis
    from resgen.records.latency import Record
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
    """The forms of one kind of result; ``page`` is what its HTML file is called.

    ``sheets`` are its tables as CSV.
    """

    page: str
    data: str
    sheets: Mapping[str, Sheet]
    html: Callable[[Any], str]
    markdown: Callable[[Any], str]
    text: Callable[[Any], str]


def forms_of(results: Results) -> Forms:
    """The forms in which these results can be written."""
    from resgen.records.comparison import Comparison
    from resgen.records.diagnosis import Diagnosis

    if isinstance(results[0], Diagnosis):
        from resgen.diagnosis import documents as diagnosis
        from resgen.reports.diagnosis import csv, html, markdown

        return Forms(
            page=diagnosis.PAGE,
            data=diagnosis.DATA,
            sheets=csv.SHEETS,
            html=html.render,
            markdown=markdown.render,
            text=diagnosis.DIAGNOSIS.to_text,
        )
    from resgen.profiling import documents as latency

    if isinstance(results[0], Comparison):
        from resgen.reports.comparison import csv as beside
        from resgen.reports.comparison import html as boss
        from resgen.reports.comparison import markdown as words

        return Forms(
            page="comparison.html",
            data="comparison.json",
            sheets=beside.SHEETS,
            html=boss.render,
            markdown=words.render,
            text=latency.COMPARISON.to_text,
        )
    from resgen.reports.latency import csv as rows
    from resgen.reports.latency import html as page
    from resgen.reports.latency import markdown as comment

    return Forms(
        page="report.html",
        data="report.json",
        sheets=rows.SHEETS,
        html=page.render,
        markdown=comment.render,
        text=latency.REPORT.to_text,
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
            raise ResgenError(
                f"a {forms.data} holds one result, and these are {len(results)}",
                hint="convert them one by one",
            )
        return forms.text(results[0])
    if form == "csv":
        return forms.sheets[table or next(iter(forms.sheets))].written(results)
    return forms.markdown(results) if form == "md" else forms.html(results)


def form_of(out: Path) -> Form:
    """The form that a file's name says, else a UsageError."""
    found = _ENDINGS.get(out.suffix.lower())
    if found is None:
        raise UsageError(
            f"{out} does not say by its name what to write ({', '.join(_ENDINGS)})",
            hint="--format html|md|csv|json of resgen report says it",
        )
    return found


def write(results: Results, out: Path) -> None:
    """Write the form that the file's name says."""
    from resgen.files.whole import write_text

    write_text(out, rendered(results, form_of(out)))
