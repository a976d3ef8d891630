"""Prompts hold what they should and speak of nothing else; long graph text is cut by whole lines, and said so."""

from __future__ import annotations

import warnings
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hodology.errors import InputError, UnknownNameError
from hodology.planning.kg_tasks import INDICATION, INTERACTION_TYPE, SEVERITY, TASKS, KgTask
from hodology.planning.prompts import FittedText, KnowledgeCutWarning, build_prompt, fit_lines

PATHS = "Donepezil binds ACHE and Alzheimer's disease associates ACHE\nDonepezil binds BCHE and ..."


def test_the_whole_prompt():
    system, user = build_prompt(
        INDICATION,
        "Donepezil",
        "Alzheimer's disease",
        knowledge=PATHS,
        descriptions={"Donepezil": "An inhibitor\n of acetylcholinesterase."},
    )
    assert (system["role"], user["role"]) == ("system", "user")
    assert system["content"].startswith("You are a pharmacodynamics expert. ")
    assert "the knowledge graph information, the definitions and what you know yourself" in system["content"]
    assert system["content"].endswith("\n##Answer: <one of the options, word for word>")
    assert user["content"].split("\n\n") == [
        "Question: Which relation does the drug Donepezil have to the disease Alzheimer's disease?",
        "Definitions:\n- Donepezil: An inhibitor of acetylcholinesterase.",
        f"Knowledge Graph Information:\n{PATHS}",
        "Options:\n- disease-modifying: the drug changes the course of the disease itself\n"
        "- palliates: the drug relieves symptoms only\n- non-indication: the drug is no treatment of the disease",
    ]


def test_what_is_not_there_is_not_spoken_of():
    system, user = build_prompt("interaction-type", "A", "B")
    text = (system["content"] + user["content"]).lower()
    assert "graph" not in text
    assert "definition" not in text
    assert "option" not in text
    assert system["content"].endswith("##Answer: <your answer>")
    assert "from what you know yourself." in system["content"]


def test_options_may_be_other_than_the_labels():
    labels = ("A may raise the level of B", "A may lower the level of B")
    assert (
        "\n".join(f"- {label}" for label in labels)
        in build_prompt(INTERACTION_TYPE, "A", "B", options=labels)[1]["content"]
    )
    assert "Options:" not in build_prompt(SEVERITY, "A", "B", options=())[1]["content"]
    assert "- major: " in build_prompt(SEVERITY, "A", "B")[1]["content"]
    assert "- major\n" in build_prompt(replace(SEVERITY, label_notes=()), "A", "B")[1]["content"]


def test_the_three_tasks():
    assert list(TASKS) == ["interaction-type", "severity", "indication"]
    assert INTERACTION_TYPE.labels is None
    assert SEVERITY.labels == ("major", "moderate", "minor")
    assert INDICATION.labels == ("disease-modifying", "palliates", "non-indication")


def test_names_are_put_in_as_they_are():
    task = KgTask("own", "Does {u} regulate {v}, or {v} {u}?", role="a botanist")
    assert task.ask("{v}", "\\1 {u}") == "Does {v} regulate \\1 {u}, or \\1 {u} {v}?"
    assert build_prompt(task, "x", "y")[0]["content"].startswith("You are a botanist. ")


def test_long_text_is_cut_by_whole_lines_and_said():
    knowledge = "one two\nthree four five\nsix"
    words = {"knowledge": knowledge, "measure": lambda text: len(text.split())}
    with pytest.warns(
        KnowledgeCutWarning, match=r"2 of 3 lines of the graph text do not fit into max_size \(--max-size\) 4"
    ):
        cut = build_prompt("severity", "A", "B", max_size=4, **words)[1]["content"]
    assert "one two" in cut
    assert "three" not in cut
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        silent = build_prompt("severity", "A", "B", max_size=4, on_long="cut", **words)[1]["content"]
        whole = build_prompt("severity", "A", "B", max_size=6, **words)[1]["content"]
    assert silent == cut
    assert knowledge in whole
    with pytest.raises(InputError, match=r"2 of 3 lines .* do not fit into max_size \(--max-size\) 4"):
        build_prompt("severity", "A", "B", max_size=4, on_long="error", **words)
    with pytest.warns(KnowledgeCutWarning, match="3 of 3 lines"):
        system, user = build_prompt("severity", "A", "B", knowledge=knowledge, max_size=2)
    assert "graph" not in (system["content"] + user["content"]).lower()


@given(st.lists(st.text("ab ", max_size=6), max_size=8), st.integers(1, 30))
def test_what_is_kept_is_the_longest_beginning_that_fits(lines, size):
    found = fit_lines("\n".join(lines), max_size=size)
    full = [line for line in lines if line.strip()]
    assert found == FittedText("\n".join(full[: found.kept]), found.kept, len(full) - found.kept)
    assert len(found.text) <= size
    if found.dropped:
        assert len("\n".join(full[: found.kept + 1])) > size


def test_bad_tasks_and_prompts_are_refused():
    with pytest.raises(UnknownNameError, match="task 'severe' does not exist; close names: 'severity'"):
        build_prompt("severe", "A", "B")
    with pytest.raises(UnknownNameError, match="described entity 'Aspirn' is not asked about; .*'Aspirin'"):
        build_prompt("severity", "Aspirin", "B", descriptions={"Aspirn": "x"})
    with pytest.raises(InputError, match="u_name must be the name of an entity, got ''"):
        build_prompt("severity", "", "B")
    with pytest.raises(InputError, match="max_size must be at least 1, got 0"):
        build_prompt("severity", "A", "B", max_size=0)
    with pytest.raises(UnknownNameError, match="on_long 'warning' does not exist; close names: 'warn'"):
        build_prompt("severity", "A", "B", on_long="warning")
    with pytest.raises(InputError, match="labels must be at least two texts, got 'major'"):
        build_prompt("severity", "A", "B", options="major")
    with pytest.raises(InputError, match="labels must differ, got 'Major' twice"):
        build_prompt("severity", "A", "B", options=["major", "minor", "Major"])
    with pytest.raises(InputError, match=r"the question of task 'own' must hold \{v\}"):
        KgTask("own", "What is {u}?")
    with pytest.raises(InputError, match="labels must be texts of one line, got ' '"):
        KgTask("own", "{u} {v}?", ("a", " "))
    with pytest.raises(InputError, match="one note per label or none, got 1 notes for 2 labels"):
        KgTask("own", "{u} {v}?", ("a", "b"), label_notes=("x",))
    with pytest.raises(InputError, match="the role of task 'own' must not be empty"):
        KgTask("own", "{u} {v}?", role="")
