"""Every command is a function with the same options, and the other way round."""

from __future__ import annotations

import inspect
import pickle
import re
import subprocess
import sys
from importlib import import_module
from keyword import iskeyword
from typing import Any

import click
import pytest
from options.test_group import VALUES

import resgen
from resgen import forms
from resgen.cli import main
from resgen.errors import MissingComponent
from resgen.options.group import Group, options_of

#: How a command's result is printed, where the methods of the function's result do it.
PRINTED = {
    "check": {"explain", "form"},
    "inspect": {"resolved"},
    "report": {"schema"},
}
#: What no word can hold, so that only Python has it.
PYTHON = {"state_dict", "progress", "input"}
COMMANDS = sorted(set(main.list_commands(click.Context(main))) - {"schema"})


def function_of(name: str) -> Any:
    """The function of a command; one that is a keyword has an underscore behind it."""
    return getattr(resgen, f"{name}_" if iskeyword(name) else name)


def of_command(name: str) -> set[str]:
    """Options of the command."""
    command = main.get_command(click.Context(main), name)
    assert command is not None
    found = {p.name for p in command.params if isinstance(p, click.Option)}
    return {
        str(each) for each in found - {"as_json", "quiet"} - PRINTED.get(name, set())
    }


def groups_of(name: str) -> list[type[Group]]:
    """The groups that the documentation of the function names, and of forms."""
    told = inspect.getdoc(function_of(name)) or ""
    found = re.findall(r":class:`~(resgen\.api\.asked\.\w+)\.(\w+)`", told)
    groups: list[type[Group]] = [getattr(import_module(at), of) for at, of in found]
    if name == "export":
        groups += [forms.find(form).options for form in forms.names()]
    return groups


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_and_its_function_have_the_same_options(name: str) -> None:
    parameters = inspect.signature(function_of(name)).parameters.values()
    own = {each.name for each in parameters if each.kind is each.KEYWORD_ONLY}
    asked = {each for group in groups_of(name) for each, _ in options_of(group)}
    assert of_command(name) == own - PYTHON | asked


@pytest.mark.parametrize("name", COMMANDS)
def test_a_function_takes_each_of_them_and_nothing_else(name: str) -> None:
    function = function_of(name)
    needed = [
        "nowhere"
        for each in inspect.signature(function).parameters.values()
        if each.default is each.empty and each.kind is each.POSITIONAL_OR_KEYWORD
    ]
    for option in of_command(name) - {"to"}:
        own = (
            form
            for form in forms.names()
            if option in dict(options_of(forms.find(form).options))
        )
        form = {"to": next(own, "onnx")} if name == "export" else {}
        with pytest.raises(resgen.ResgenError) as refused:
            function(*needed, **form, **{option: object()})
        assert refused.value.message.startswith(option)
    if name != "doctor":
        with pytest.raises(resgen.ResgenError, match='there is no option "speling"'):
            function(*needed, speling=1)


def test_the_words_of_every_group_are_tested() -> None:
    groups = {group for name in COMMANDS for group in groups_of(name)}
    assert {group for group in groups if options_of(group)} == set(VALUES)


#: Called where torch is not installed; what each raises, and what that says to do.
WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None
import resgen
graph = resgen.expand(resgen.load("resnet18"))
for call in (
    lambda: resgen.to_torch(graph),
    lambda: resgen.to_python(graph),
    lambda: resgen.watch(None),
):
    try:
        call()
    except Exception as error:
        print(type(error).__name__, getattr(error, "install", error))
"""


def test_what_is_not_installed_is_named_as_by_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH], capture_output=True, text=True
    )
    said = 'MissingComponent pip install "resgen[torch]"'
    assert done.stdout.splitlines() == [said] * 3, done.stderr


@pytest.mark.parametrize(
    ("module", "raised"),
    [("scipy.special", MissingComponent), ("rsegen", ModuleNotFoundError)],
)
def test_what_a_function_misses_amid_its_work_is_named(
    monkeypatch: pytest.MonkeyPatch, module: str, raised: type[Exception]
) -> None:
    def missing() -> None:
        raise ModuleNotFoundError(f"No module named {module!r}", name=module)

    monkeypatch.setattr("resgen.api.doctor.examine", missing)
    with pytest.raises(raised):
        resgen.doctor()


def test_a_function_is_itself_in_another_process() -> None:
    assert pickle.loads(pickle.dumps(resgen.check)) is resgen.check
