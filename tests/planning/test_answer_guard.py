"""No statement of the answer is left, and nothing else is touched."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hodology.errors import InputError
from hodology.planning.answer_guard import remove_answer_text, states_answer

TREATS = "{u} (Compound) treats {v} (Disease)"
PALLIATES = "{u} (Compound) palliates {v} (Disease)"
NAMES = ["Aspirin", "pain", "C++ (acid)", "IL-2 [beta]", "a.*b", "Type 2 diabetes mellitus", "(R)-x", "ÄTHER"]


def _edge(u, v, verb="treats"):
    return f"{u} (Compound) {verb} {v} (Disease)"


def test_the_answer_goes_at_every_place_of_a_path():
    answer, before, after = (
        _edge("A", "B"),
        "A (Compound) binds G (Gene)",
        "B (Disease) resembles C (Disease)",
    )
    for text, expected in {
        answer: "",
        f"{before} and {answer} and {after}": f"{before} and {after}",
        f"{answer} and {after}": after,
        f"{before} and {answer}": before,
        f"{before}\n{answer}\n{after}": f"{before}\n{after}",
        f"{before}\n{answer} and {answer}": before,
        f"{answer} and {answer} and {after}": after,
        f"It is known that {answer}. So it is.": "It is known that. So it is.",
    }.items():
        assert remove_answer_text(text, "A", "B", TREATS) == expected


@pytest.mark.parametrize(
    "stated",
    [
        "A treats B",
        "a TREATS b",
        "A (Compound) treats B (Disease)",
        "A (Drug)  treats\tB",
        "A(Compound) treats B(Disease)",
        "B (Disease) treats A (Compound)",
        "A (Compound) treats\nB (Disease)",
    ],
)
def test_case_space_types_and_order_do_not_hide_an_answer(stated):
    assert states_answer(stated, "A", "B", TREATS)
    assert remove_answer_text(f"{stated}\nG binds H", "A", "B", TREATS) == "G binds H"
    assert remove_answer_text(stated, "A", "B", "{u} treats {v}") == ""


def test_composite_relations_lose_the_answer_only():
    text = f"{_edge('A', 'B')} and {_edge('A', 'B', 'binds')} and {_edge('A', 'B', 'palliates')}"
    assert remove_answer_text(text, "A", "B", TREATS) == (
        f"{_edge('A', 'B', 'binds')} and {_edge('A', 'B', 'palliates')}"
    )
    assert remove_answer_text(text, "A", "B", [TREATS, PALLIATES]) == _edge("A", "B", "binds")
    assert remove_answer_text(text, "A", "B", f"{TREATS} and {PALLIATES}") == _edge("A", "B", "binds")


def test_other_entities_and_relations_stay():
    text = f"{_edge('A', 'C')}\n{_edge('AA', 'B')}\n{_edge('A', 'BB')}\n{_edge('A', 'B', 'binds')}\n\n"
    assert remove_answer_text(text, "A", "B", TREATS) is text
    assert not states_answer(text, "A", "B", TREATS)


def test_words_around_and_the_passive_are_part_of_the_template():
    around = "the risk of bleeding is increased when {u} is combined with {v} in a day"
    text = "It says The risk of bleeding is increased when X is combined with Y (Drug) in a day. Beware."
    assert remove_answer_text(text, "Y", "X", around) == "It says. Beware."
    assert (
        remove_answer_text("X is combined with Y in a day", "X", "Y", around)
        == "X is combined with Y in a day"
    )
    passive = "{v} and also {u} is treated by {v}"
    with pytest.raises(InputError, match="once in each sentence"):
        remove_answer_text("x", "A", "B", passive)
    assert remove_answer_text("B is treated by A", "A", "B", "{u} is treated by {v}") == ""


def test_an_answer_that_closes_up_when_another_goes_is_found():
    nested = "A treats A treats B B"
    assert not states_answer(
        remove_answer_text(nested, "A", "B", "{u} treats {v}"), "A", "B", "{u} treats {v}"
    )


@settings(max_examples=150)
@given(
    st.lists(
        st.lists(
            st.tuples(st.sampled_from(NAMES), st.sampled_from(["treats", "binds"]), st.sampled_from(NAMES)),
            min_size=1,
            max_size=4,
        ),
        max_size=4,
    ),
    st.sampled_from(NAMES),
    st.sampled_from(NAMES),
    st.booleans(),
)
def test_paths_keep_all_edges_but_the_answers(paths, u, v, shout):
    def text(edges):
        lines = [" and ".join(_edge(a, b, verb) for a, verb, b in path) for path in edges]
        return "\n".join(line.upper() if shout else line for line in lines if line)

    kept = [[e for e in path if not (e[1] == "treats" and {e[0], e[2]} == {u, v})] for path in paths]
    found = remove_answer_text(text(paths), u, v, TREATS)
    assert found == text(kept)
    assert not states_answer(found, u, v, TREATS)


@settings(max_examples=100)
@given(st.lists(st.sampled_from(["A", "B", "treats", "and", "(x)", ".", "\n", " ", "C"])), st.data())
def test_nothing_is_left_of_any_text(words, data):
    text = data.draw(st.sampled_from([" ", ""])).join(words)
    found = remove_answer_text(text, "A", "B", "{u} treats {v}")
    assert not states_answer(found, "A", "B", "{u} treats {v}")
    assert remove_answer_text(found, "A", "B", "{u} treats {v}") == found
    if not states_answer(text, "A", "B", "{u} treats {v}"):
        assert found == text


def test_bad_names_and_templates_are_refused():
    with pytest.raises(InputError, match="v_name must be the name of an entity, got ' '"):
        remove_answer_text("x", "A", " ", TREATS)
    with pytest.raises(InputError, match="templates must hold at least one sentence"):
        remove_answer_text("x", "A", "B", [])
    with pytest.raises(
        InputError, match=r"must hold \{u\} and \{v\} once in each sentence, got '\{u\} treats'"
    ):
        remove_answer_text("x", "A", "B", "{u} treats")
