"""Saved results as a page, or in another form."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resgen.api.asked.common import require_folder
from resgen.api.asked.looking import Reporting
from resgen.api.specs import folder_name
from resgen.errors import UsageError
from resgen.files.whole import require_writable, write_text
from resgen.options.kinds import argument, path, several
from resgen.reports.forms import Form, Results, form_of, forms_of, rendered
from resgen.reports.own import require_own
from resgen.reports.readers.files import file_of, read
from resgen.words.terminal import Shown


@dataclass(frozen=True, slots=True)
class Reported(Shown):
    """Results that were read, and what was made of them.

    ``text`` is in the form; ``path`` is the file that holds it, where it was written.
    """

    results: Results
    form: Form
    text: str
    path: Path | None

    def to_dict(self) -> list[Any]:
        """The documents of the results."""
        form = forms_of(self.results).format
        return [form.to_json(one) for one in self.results]

    def lines(self) -> Iterator[str]:
        """What the results come to, each as the terminal shows it."""
        show = forms_of(self.results).lines
        for number, one in enumerate(self.results):
            if number:
                yield ""
            yield from show(one)

    def _repr_html_(self) -> str:
        return "".join(map(forms_of(self.results).notebook, self.results))


def report(results: str | Path | Iterable[str | Path], **options: Any) -> Reported:
    """Render saved results: a page that opens from disk, Markdown, CSV or JSON.

    ``results`` are files or folders that :func:`resgen.profile`, ``diagnose`` and
    ``compare`` wrote, kits, or trtexec; ``options`` are those of
    :class:`~resgen.api.asked.looking.Reporting`, which are the command's. A page goes
    where the command writes it, another form to ``out``, or it is ``text`` alone.
    Raises :class:`~resgen.errors.ResgenError`.
    """
    asked = Reporting.of(options)
    given = [argument("results", path(), each) for each in several(results)]
    if not given:
        raise UsageError(
            "no result is given",
            hint="name the folders that profile or diagnose wrote",
        )
    out = asked.out
    form: Form = asked.format or ("html" if out is None else form_of(out))
    files = [file_of(path) for path in given]
    found = read(files, asked.network)
    if form == "html" and out is None:
        alone = len(given) == 1
        folder = given[0] if given[0].is_dir() else given[0].parent
        out = (folder if alone else Path()) / forms_of(found).page
        require_own(out.parent, out.name)
    text = rendered(found, form, asked.table)
    if out is not None:
        if any(out.resolve() == path.resolve() for path in files):
            raise UsageError(f"{out} is one of the results, and would be overwritten")
        write_text(out, text)
    return Reported(found, form, text, out)


def report_folder(
    out: Path | None, default: str | None, name: str, files: Sequence[str]
) -> Path | None:
    """Where a report goes, if anywhere: ``out``, or ``default`` with ``name`` for {}.

    What is in its way, or would be overwritten as one of its ``files`` though resgen
    did not write it, is a ResgenError.
    """
    if out is None and default is not None:
        out = Path(default.format(folder_name(name)))
        require_folder(out)
    if out is not None:
        require_own(out, *files)
        require_writable(out / files[0])
    return out
