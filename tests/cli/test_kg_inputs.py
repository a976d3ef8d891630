"""``hodology kg``: folders that are not its own, graphs and pairs of many forms, and what it says without a path."""

from __future__ import annotations

import json

import networkx
import pytest

from hodology.cli import main
from hodology.data.repurposing import generate_repurposing

EDGES = "from,type,to\naspirin,treats,pain\naspirin,binds,PTGS2\n"


@pytest.fixture
def kg(tmp_path, capsys, monkeypatch):
    """Call ``hodology kg COMMAND ...`` in an empty folder; returns code, output and error."""
    monkeypatch.chdir(tmp_path)

    def call(*words):
        with pytest.raises(SystemExit) as stop:
            main(["kg", *map(str, words)])
        return stop.value.code, *capsys.readouterr()

    return call


@pytest.fixture
def edges(tmp_path):
    (tmp_path / "edges.csv").write_text(EDGES)
    return tmp_path / "edges.csv"


# ------------------------------------------------------------------------------------------------ folders


@pytest.mark.parametrize("command", ["paths", "ask"])
def test_a_folder_of_the_users_or_of_another_run_is_left_alone(kg, edges, tmp_path, command):
    mine, other = tmp_path / "mine", tmp_path / "other"
    mine.mkdir()
    (mine / "index.html").write_text("hi")
    other.mkdir()
    (other / "manifest.json").write_text('{"kind": "causal"}')
    words = ["--model", "http://localhost:9", "--model-name", "x"] if command == "ask" else []
    for folder in (mine, other):
        before = {file.name: file.read_bytes() for file in folder.iterdir()}
        code, _, error = kg(command, edges, "pain", "PTGS2", "-o", folder, *words)
        assert (code, len(error.splitlines())) == (2, 1)
        assert "is not empty and holds no" in error
        assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


def test_a_folder_of_paths_may_be_written_again(kg, edges):
    assert kg("paths", edges, "pain", "PTGS2", "-o", "out")[0] == 0
    assert kg("paths", edges, "pain", "aspirin", "-o", "out", "--hide", "none")[0] == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--max-length", "60"], "max_len (--max-length) 60"),
        (["--jobs", "0"], "jobs must be at least 1"),
        (["--hide", "task"], "--hide task needs --task-relations"),
    ],
)
def test_what_is_refused_leaves_no_folder_and_no_bar(kg, edges, tmp_path, words, message):
    (tmp_path / "pairs.tsv").write_text("u\tv\npain\tPTGS2\n")
    code, _, error = kg("retrieve", edges, "pairs.tsv", "-o", "out", *words)
    assert (code, len(error.splitlines())) == (2, 1)
    assert message in error
    assert not (tmp_path / "out").exists()


# ------------------------------------------------------------------------------------------------ without a path


def test_a_sink_is_told_as_such(kg, edges, tmp_path):
    code, text, error = kg("paths", edges, "pain", "PTGS2", "--directed", "-o", "out")
    assert (code, error) == (0, "")
    reason = "No path of any length leads from pain to PTGS2 along the direction of edges."
    assert reason in text
    assert "leave --directed away" in text
    assert "relations" not in text.splitlines()[-2]  # no empty table
    page = (tmp_path / "out" / "index.html").read_text()
    assert reason in page
    for wrong in ("longer ones exist", "neighbour to show"):
        assert wrong not in page
    assert reason in json.loads((tmp_path / "out" / "summary.json").read_text())["notes"][0]


def test_a_longer_path_and_none_at_all_are_told_apart(kg, tmp_path):
    chain = "".join(f"n{i}\tr\tn{i + 1}\n" for i in range(6))
    (tmp_path / "g.tsv").write_text(chain + "n0\tr\tn6\nx\tr\ty\n")
    text = kg("paths", "g.tsv", "n0", "n6", "-o", "a")[1]
    assert (
        "No path of at most 3 edges leads from n0 to n6; the shortest has 6 edges: raise --max-length."
        in text
    )
    assert "not seen: n0 r n6" in text
    text = kg("paths", "g.tsv", "n0", "x", "-o", "b")[1]
    assert "n0 - x: no path, " in text
    assert "No path of any length leads from n0 to x." in text
    assert kg("paths", "g.tsv", "n0", "n5", "-o", "c", "--quiet", "--directed")[1] == ""


def test_quiet_prints_the_table_alone_and_one_is_singular(kg, edges):
    words = ["paths", edges, "pain", "PTGS2", "-o", "out"]
    assert "pain - PTGS2: 1 path in" in kg(*words)[1]
    text = kg(*words, "--quiet")[1]
    assert "<-treats- -binds->" in text
    assert "Report" not in text
    assert "pain - PTGS2" not in text


# ------------------------------------------------------------------------------------------------ graphs


def test_the_seed_of_ties_does_not_change_the_generated_graph(kg, tmp_path):
    drug, disease = generate_repurposing().pairs[0]
    for place, words in enumerate((["--seed", "0"], ["--seed", "5"])):
        kg("paths", "generated", drug, disease, "-o", f"o{place}", *words)
    one, two = (json.loads((tmp_path / f"o{i}" / "summary.json").read_text()) for i in (0, 1))
    assert one["paths"] == two["paths"]
    kg("paths", "generated:5", *generate_repurposing(seed=5).pairs[0], "-o", "five")
    edges = len(generate_repurposing(seed=5).triples) + 700
    assert json.loads((tmp_path / "five" / "summary.json").read_text())["graph"]["edges"] == edges
    assert "generated:SEED needs a whole number" in kg("paths", "generated:x", "a", "b")[2]


@pytest.mark.parametrize("option", ["--nodes", "--templates", "--head", "--relation", "--tail", "--format"])
def test_options_that_would_be_left_aside_are_refused(kg, tmp_path, option):
    message = f"{option} does not apply to the generated graph"
    assert message in kg("paths", "generated", "a", "b", option, "x")[2]
    if option != "--nodes":
        (tmp_path / "folder").mkdir()
        assert (
            f"{option} does not apply to the folder folder" in kg("paths", "folder", "a", "b", option, "x")[2]
        )


def test_the_nodes_of_a_folder_may_be_others(kg, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "edges.tsv").write_text("head\trelation\ttail\na\tr\tb\nb\tr\tc\n")
    (tmp_path / "own.tsv").write_text("id\tname\tkind\na\tAnna\tX\nb\tBert\tX\nc\tCarl\tX\n")
    assert "Anna - Carl: 1 path" in kg("paths", "folder", "Anna", "Carl", "--nodes", "own.tsv")[1]


def test_a_graph_without_relations_names_the_file_and_the_option(kg, tmp_path):
    (tmp_path / "e.csv").write_text("from,kind,to\na,r,b\n")
    networkx.write_graphml(networkx.path_graph(3), tmp_path / "e.graphml")
    for name in ("e.csv", "e.graphml"):
        error = kg("paths", name, "a", "b")[2]
        assert error.startswith(f"hodology: {name}: edges have no relation")
        assert "--relation" in error
    assert kg("paths", "e.csv", "a", "b", "--relation", "kind", "--hide", "none")[0] == 0
    (tmp_path / "e.dat").write_text("a\tr\tb\n")
    assert "give the format (--format)" in kg("paths", "e.dat", "a", "b")[2]
    assert kg("paths", "e.dat", "a", "b", "--format", "tsv")[0] == 0


def test_entities_without_a_name_go_by_their_ids(kg, tmp_path):
    graph = networkx.DiGraph([("a", "b", {"relation": "r"}), ("b", "c", {"relation": "r"})])
    graph.nodes["a"]["name"] = "Alpha"
    networkx.write_graphml(graph, tmp_path / "g.graphml")
    assert "Alpha - c: 1 path" in kg("paths", "g.graphml", "Alpha", "c", "-o", "out")[1]
    assert "From Alpha to c" in (tmp_path / "out" / "index.html").read_text()


def test_labels_of_ntriples_are_names(kg, tmp_path):
    (tmp_path / "l.nt").write_text(
        "<x:a> <x:r> <x:b> .\n<x:b> <x:r> <x:c> .\n"
        '<x:a> <http://www.w3.org/2000/01/rdf-schema#label> "Aye" .\n'
    )
    assert "Aye - x:c: 1 path" in kg("paths", "l.nt", "Aye", "x:c")[1]


def test_an_entity_twice_and_a_relation_without_a_sentence_are_named(kg, edges, tmp_path):
    assert "the two entities must differ, got 'pain' twice" in kg("paths", edges, "pain", "pain")[2]
    (tmp_path / "words.json").write_text('{"binds": "{u} binds {v}"}')
    error = kg("paths", edges, "pain", "PTGS2", "--templates", "words.json", "-o", "out")[2]
    assert "relation 'treats' has no sentence template" in error
    assert not (tmp_path / "out").exists()


# ------------------------------------------------------------------------------------------------ pairs


@pytest.mark.parametrize("columns", [("disease", "gene"), ("1", "2")])
def test_columns_of_the_pairs_go_by_name_or_place(kg, edges, tmp_path, columns):
    header = "n,disease,gene\n" if columns[0] == "disease" else ""
    (tmp_path / "pairs.csv").write_text(f"{header}1,pain,PTGS2\n")
    named = ["--source-column", columns[0], "--target-column", columns[1]]
    code, text, _ = kg("retrieve", edges, "pairs.csv", *named, "--quiet", "-o", "out")
    assert code == 0
    assert "1 pair: 1 path, 0 pairs without one" in text
    assert "pain\tPTGS2\t1" in (tmp_path / "out" / "sentences.tsv").read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--source-column", "diseas", "--target-column", "gene"],
            "has no column 'diseas'; close names: 'disease'",
        ),
        (["--source-column", "7", "--target-column", "gene"], "has no column 7; it has columns 0 to 2"),
        (["--source-column", "gene", "--target-column", "2"], "must differ, got 'gene' and '2'"),
        (["--source-column", "gene"], "--source-column and --target-column"),
        (
            ["--source-column", "disease", "--target-column", "gene"],
            "pairs.csv, line 3: entity 'fever' is not in",
        ),
    ],
)
def test_wrong_pairs_are_named_by_file_and_line(kg, edges, tmp_path, words, message):
    (tmp_path / "pairs.csv").write_text("n,disease,gene\n1,pain,PTGS2\n2,fever,PTGS2\n")
    code, _, error = kg("retrieve", edges, "pairs.csv", *words, "-o", "out")
    assert (code, len(error.splitlines())) == (2, 1)
    assert message in error
    assert not (tmp_path / "out").exists()


# ------------------------------------------------------------------------------------------------ questions


def test_answers_are_printed_as_json_or_alone(kg, edges, monkeypatch):
    class Model:
        name = "stub"

        def complete(self, messages, **options):
            return "Why not.\n##Answer: palliates"

    monkeypatch.setattr("hodology.planning.kg_question.open_chat_model", lambda *a, **k: Model())
    words = ["ask", edges, "pain", "PTGS2", "--model", "stub"]
    record = json.loads(kg(*words, "--json")[1])
    assert record["answer"] == "palliates"
    assert (record["source"], record["target"], record["model"]) == ("pain", "PTGS2", "stub")
    assert kg(*words, "--quiet")[1] == "palliates\n"


def test_without_an_answer_none_is_counted(kg, edges, monkeypatch):
    from hodology.planning.chat_endpoint import EndpointModel

    model = EndpointModel("http://localhost:9", "x", retries=0)
    monkeypatch.setattr("hodology.planning.kg_question.open_chat_model", lambda *a, **k: model)
    error = kg("ask", edges, "pain", "PTGS2", "--model", "x")[2]
    assert "cannot be reached" in error
    assert "answers were there" not in error
