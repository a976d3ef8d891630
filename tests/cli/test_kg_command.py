"""``hodology kg``: paths, many pairs and questions on users' files, and misuse in one line."""

from __future__ import annotations

import csv
import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from hodology.cli import main
from hodology.data.repurposing import generate_repurposing
from hodology.graph.files import read_graph
from hodology.path import PathSet

TRIPLES = """head\trelation\ttail
aspirin\tbinds\tPTGS2
aspirin\tbinds\tPTGS1
ibuprofen\tbinds\tPTGS2
ibuprofen\ttreats\tpain
aspirin\ttreats\tpain
pain\tassociates\tPTGS1
pain\tassociates\tPTGS2
fever\tassociates\tPTGS1
lonely\tbinds\tNOWHERE
"""
NODES = "id\tname\tkind\n" + "".join(
    f"{i}\t{i.title()}\t{k}\n"
    for i, k in [
        ("aspirin", "Drug"), ("ibuprofen", "Drug"), ("lonely", "Drug"), ("pain", "Disease"), ("fever", "Disease"),
        ("PTGS1", "Gene"), ("PTGS2", "Gene"), ("NOWHERE", "Gene"),
    ]
)  # fmt: skip


@pytest.fixture
def files(tmp_path):
    (tmp_path / "kg.tsv").write_text(TRIPLES)
    (tmp_path / "nodes.tsv").write_text(NODES)
    (tmp_path / "templates.json").write_text(
        json.dumps(
            {
                "binds": ["{u} (Drug) binds {v} (Gene)", "{u} (Gene) is bound by {v} (Drug)"],
                "treats": "{u} (Drug) treats {v} (Disease)",
                "associates": "{u} (Disease) is linked to {v} (Gene)",
            }
        )
    )
    return tmp_path


@pytest.fixture
def kg(files, capsys):
    """Call ``hodology kg COMMAND GRAPH ...`` on the small graph; returns code, output and error."""

    def call(command, *words, graph=None):
        with pytest.raises(SystemExit) as stop:
            main(["kg", command, graph or str(files / "kg.tsv"), *map(str, words)])
        return stop.value.code, *capsys.readouterr()

    return call


def _options(files):
    return ["--nodes", files / "nodes.tsv", "--templates", files / "templates.json", "--out", files / "out"]


def test_every_file_is_written_and_agrees(kg, files):
    code, text, error = kg("paths", "aspirin", "pain", *_options(files), "--task-relations", "treats")
    assert (code, error) == (0, "")
    assert "not seen: Aspirin treats Pain (states the answer)" in text
    out = files / "out"
    assert {f.name for f in out.iterdir()} == {
        *(
            "index.html",
            "assets",
            "paths.tsv",
            "paths.jsonl",
            "sentences.txt",
            "subgraph.tsv",
            "subgraph-nodes.tsv",
        ),
        *("subgraph.graphml", "summary.json", "manifest.json"),
    }
    sentences = (out / "sentences.txt").read_text().splitlines()
    assert sentences[0] == ("Aspirin (Drug) binds Ptgs1 (Gene) and Pain (Disease) is linked to Ptgs1 (Gene)")
    assert not any("Aspirin (Drug) treats Pain" in line for line in sentences)
    rows = list(csv.DictReader((out / "paths.tsv").read_text().splitlines(), delimiter="\t"))
    assert [row["sentence"] for row in rows] == sentences
    assert rows[0]["relations"] == "binds associates^-1"
    paths = PathSet.from_jsonl(out / "paths.jsonl")
    assert [s.unit for s in paths[0].steps] == rows[0]["nodes"].split() == ["aspirin", "PTGS1", "pain"]
    part = read_graph(out / "subgraph.graphml")
    assert "treats" not in {part.relation_names[r] for r in part.relations.tolist()}
    summary = json.loads((out / "summary.json").read_text())
    assert [p["sentence"] for p in summary["paths"]] == sentences
    assert summary["hidden"] == [
        {"head": "aspirin", "relation": "treats", "tail": "pain", "why": "states the answer"}
    ]
    assert summary["graph"]["edges"] == 9
    data = (out / "assets" / "data.js").read_text()
    assert '"title":"is linked to"' in data
    assert summary["paths"][0]["same"] == 2  # by either gene


def test_names_may_be_titles_and_paths_may_be_directed(kg, files):
    code, text, _ = kg("paths", "Aspirin", "PTGS2", "--directed", *_options(files))
    assert code == 0
    assert "-treats-> -associates->" in text


def test_without_a_path_the_neighbours_are_listed(kg, files):
    code, text, _ = kg("paths", "lonely", "pain", *_options(files), "--json")
    assert code == 0
    assert {p["kind"] for p in json.loads(text)["paths"]} == {"neighbour"}


def test_the_generated_graph_runs_without_files(kg, files):
    world = generate_repurposing()
    drug, disease = world.pairs[0]
    code, text, _ = kg("paths", drug, disease, "-k", "4", "--out", files / "out", graph="generated")
    assert code == 0
    assert f"{world.titles[drug]} - {world.titles[disease]}: 4 paths" in text


def test_many_pairs_are_streamed_and_resumed(kg, files):
    (files / "pairs.csv").write_text("drug,disease\naspirin,pain\nibuprofen,fever\nlonely,pain\n")
    (files / "headed.csv").write_text("v,u\npain,aspirin\nfever,ibuprofen\npain,lonely\n")
    code, _, error = kg("retrieve", files / "pairs.csv", *_options(files), "--quiet")
    assert code == 2
    assert "pairs.csv, line 1: entity 'drug' is not in the graph" in error
    assert "if this line is a header, name its columns: --source-column and --target-column" in error
    assert len(error.splitlines()) == 1  # no bar, no empty line
    assert not (files / "out").exists()
    code, text, _ = kg("retrieve", files / "headed.csv", *_options(files), "--quiet", "--jobs", "2")
    assert code == 0
    assert "3 pairs" in text
    assert "1 pair without one" in text
    rows = list(csv.DictReader((files / "out" / "sentences.tsv").read_text().splitlines(), delimiter="\t"))
    assert {(row["u"], row["v"]) for row in rows} == {
        ("aspirin", "pain"),
        ("ibuprofen", "fever"),
        ("lonely", "pain"),
    }
    first = (files / "out" / "paths.jsonl").read_bytes()
    assert kg("retrieve", files / "headed.csv", *_options(files), "--quiet")[0] == 0
    assert (files / "out" / "paths.jsonl").read_bytes() == first
    code, _, error = kg("retrieve", files / "headed.csv", *_options(files), "--quiet", "--no-resume")
    assert code == 2
    assert "holds a run already" in error


def test_a_model_is_asked_without_the_answer_in_the_text(kg, files, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    asked = []

    class Stub(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append(body["messages"][1]["content"])
            answer = {"choices": [{"message": {"content": "They share a target.\n##Answer: palliates"}}]}
            data = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Stub)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        url = f"http://127.0.0.1:{server.server_port}"
        words = ["aspirin", "pain", *_options(files), "--model", url, "--model-name", "stub"]
        code, text, error = kg("ask", *words, "--hide", "none", "--task-relations", "treats")
        assert (code, error) == (0, "")
        assert "Answer: palliates" in text
        assert "Aspirin (Drug) binds" in asked[0]
        assert "Aspirin (Drug) treats Pain" not in asked[0]
        kg("ask", *words, "--no-graph")
        assert "Knowledge Graph Information" not in asked[1]
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["aspirn", "pain"], "entity 'aspirn' is not in the graph (did you mean aspirin?)"),
        (["aspirin", "pain", "--hide", "task"], "--hide task needs --task-relations"),
        (["aspirin", "pain", "-k", "0"], "k must be at least 1, got 0"),
        (["aspirin", "pain", "--hide", "all"], "hide 'all' does not exist"),
        (["aspirin", "pain", "--task-relations", "cures"], "'cures'"),
        (["aspirin", "pain", "--head", "from"], "from"),
    ],
)
def test_misuse_is_one_line(kg, files, words, message):
    code, text, error = kg("paths", *words, "--out", files / "out")
    assert code == 2
    assert message in error
    assert len(error.splitlines()) == 1
    assert not (files / "out").exists()


def test_a_missing_graph_and_a_file_in_the_way_are_named(kg, files):
    assert "is no file, no folder and not 'generated'" in kg("paths", "a", "b", graph="nothing.tsv")[2]
    (files / "taken").write_text("")
    assert "is a file; --out must be a folder" in kg("paths", "aspirin", "pain", "--out", files / "taken")[2]
    (files / "bad.json").write_text('{"binds": 3}')
    error = kg("paths", "aspirin", "pain", "--templates", files / "bad.json")[2]
    assert "'binds' must be a sentence or a forward and an inverse one, got 3" in error
