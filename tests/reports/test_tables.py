"""A table is made once: page, Markdown and terminal show the same figures."""

from __future__ import annotations

import re
from html import unescape

import pytest
from reports.beside import comparison
from reports.diagnosed import diagnosis
from reports.make import NASTY, record

from resgen.reports.comparison import tables as compared
from resgen.reports.diagnosis import tables as diagnosed
from resgen.reports.profile import tables as profiles
from resgen.reports.tables import Table
from resgen.words.terminal import unmarked

TABLES = {
    "runs": profiles.runs([record(), record(name=NASTY)]),
    "parts of a run": profiles.parts(record().runs[0]),
    "sides": compared.facts(comparison(NASTY)),
    "parts of both": compared.parts(comparison(), blocks=True),
    "figures": diagnosed.figures([diagnosis()]),
    "parts of networks": diagnosed.parts(diagnosed.titled([diagnosis()])),
}


def words(line: str) -> list[str]:
    """What is left of a line without what a form lays around its cells."""
    return line.replace("\\", "").replace("|", " ").split()


@pytest.mark.parametrize("name", TABLES)
def test_every_form_shows_the_same(name: str) -> None:
    table = TABLES[name]
    page = [
        words(unescape(re.sub(r"<[^>]*>", " ", row)))
        for row in re.findall(r"<tr>(.*?)</tr>", table.html())
    ]
    marked = [words(unescape(line)) for line in table.markdown()]
    shown = [words(unmarked(line)) for line in table.lines()]
    assert page == [marked[1], *marked[3:]] == shown
    assert len(page) == len(table.rows) + 1


def test_what_says_nothing_is_not_shown() -> None:
    table = Table.words("all", ("name", "note", "size"), [("a", "", "1")], left=2)
    _, *shown = table.markdown()
    assert shown == ["| name | size |", "| --- | ---: |", "| a | 1 |"]
    assert list(table.only("note", "size").markdown())[2] == "| ---: |"
    empty = Table.words("none", ("name", "size"), [], left=1)
    assert (empty.html(), list(empty.markdown()), list(empty.lines())) == ("", [], [])
