"""The files of the studies' pages: each one file, offline, escaped, in order, and replaced whole or not at all."""

from __future__ import annotations

import base64
import copy
import hashlib
import os
import re
from pathlib import Path

import pytest

from hodology.errors import InputError
from hodology.report import write_atlas, write_study_page


def text_of(page):
    return page.read_text(encoding="utf-8")


def cells(text):
    """The rows of the first table, as text."""
    rows = re.findall(r"<tr>(.*?)</tr>", text, re.DOTALL)
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in rows]


def one_table(record, columns, rows):
    return record | {"tables": [{"title": "T", "columns": columns, "rows": rows}]}


def test_a_study_is_one_file_named_by_its_slug(record, tmp_path):
    before = copy.deepcopy(record)
    page = write_study_page(record, tmp_path / "a" / "b")
    assert page == tmp_path / "a" / "b" / "neuron-path.html"
    assert list(page.parent.iterdir()) == [page]
    assert page.read_bytes() == write_study_page(record, str(tmp_path)).read_bytes()
    assert record == before


def test_an_atlas_is_written_with_the_page_of_every_record(catalogue, record, tmp_path):
    before = copy.deepcopy((catalogue, record))
    other = record | {"slug": "path-ensemble", "number": 2}
    page = write_atlas(catalogue, {"neuron-path": record, "path-ensemble": other}, tmp_path / "new")
    assert page == tmp_path / "new" / "index.html"
    names = sorted(file.name for file in page.parent.iterdir())
    assert names == ["index.html", "neuron-path.html", "path-ensemble.html"]
    assert re.findall(r'<h3><a href="([^"]*)"', text_of(page)) == ["neuron-path.html", "path-ensemble.html"]
    assert (catalogue, record) == before


def test_an_atlas_without_records_or_papers_is_still_a_page(catalogue, tmp_path):
    text = text_of(write_atlas(catalogue, {}, tmp_path))
    assert text.count("<li data-state=") == 5
    assert re.findall(r"<h3><a", text) == []
    assert "<h1>Atlas of studies</h1>" in text_of(write_atlas([], {}, tmp_path))


@pytest.mark.parametrize("kind", ["atlas", "study", "study of an atlas"])
def test_pages_are_self_contained_and_admit_only_what_they_hold(atlas_page, study_page, kind):
    page = {"atlas": atlas_page, "study": study_page}.get(kind, atlas_page.with_name("neuron-path.html"))
    text = text_of(page)
    links = {"atlas": ["neuron-path.html"], "study": []}.get(kind, ["index.html"])
    assert sorted(re.findall(r'(?:src|href)="([^"]*)"', text)) == sorted(["#main", "data:,", *links])
    for name in links:
        assert page.with_name(name).is_file()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text).group(1)
    for tag in ("script", "style"):
        (inline,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
        assert "http" not in inline
        assert "url(" not in inline
    assert "default-src 'none'" in policy
    assert re.findall(r"""\son[a-z]+=|\sstyle=["']""", text) == []


def test_a_page_tells_state_size_seeds_start_versions_and_commit(study_page):
    text = text_of(study_page)
    for words in [
        *(
            "<title>Influential paths &lt;and&gt; others</title>",
            "Wang et al., ICLR 2025",
            "</span> partly</span>",
        ),
        *("1 of 3 claims hold, 1 does not, 1 undecided", 'quick<span class="aside">12.5 s</span>'),
        *('3<span class="aside">0, 1, 2</span>', '2026-01-02<span class="aside">03:04:05+00:00</span>'),
        *("hodology 0.1.0, torch 2.6.0 · commit 0123456789ab", "measured with &#34;care&#34;"),
        *("<p>Accuracy of the models: 0.975.</p>", "must be above -5; in points", "no interval"),
    ]:
        assert words in text


def test_a_claim_without_measurement_has_no_drawing_but_its_words(record, tmp_path):
    claim = {"measured": float("nan"), "interval": None, "per_seed": []}
    record["claims"] = [record["claims"][0] | claim]
    text = text_of(write_study_page(record, tmp_path))
    assert '<svg class="dots"' not in text
    assert "<strong>–</strong>" in text
    assert "Paths score over twice as much" in text


@pytest.mark.parametrize("key", ["notes", "tables"])
def test_what_a_study_lacks_has_no_heading(record, tmp_path, key):
    heading = {"notes": ">Notes</h2>", "tables": ">Methods</h2>"}[key]
    assert heading in text_of(write_study_page(record, tmp_path))
    assert heading not in text_of(write_study_page(record | {key: []}, tmp_path))
    assert "commit" not in text_of(write_study_page(record | {"commit": None}, tmp_path))


def test_columns_of_figures_are_set_to_the_right_and_words_are_not(record, tmp_path):
    rows = [["a", 0.5, "−3 %", "1.5 [1.2, 1.9]", 3], ["b", None, "", "no", 40]]
    text = text_of(write_study_page(one_table(record, ["w", "f", "p", "mixed", "i"], rows), tmp_path))
    head = re.search(r"<thead><tr>(.*?)</tr></thead>", text).group(1)
    assert [bool(c) for c in re.findall(r'<th scope="col"( class="number")?>', head)] == [0, 1, 1, 0, 1]
    assert cells(text)[1:] == [["a", "0.500", "−3 %", "1.5 [1.2, 1.9]", "3"], ["b", "", "", "no", "40"]]


def test_a_table_without_rows_keeps_its_head(record, tmp_path):
    assert cells(text_of(write_study_page(one_table(record, ["a", "b"], []), tmp_path))) == [["a", "b"]]


def test_numbers_in_the_first_column_read_like_the_others(record, tmp_path):
    rows = [[0.1 + 0.2, 0.1 + 0.2], [None, None]]
    text = text_of(write_study_page(one_table(record, ["x", "y"], rows), tmp_path))
    assert cells(text)[1:] == [["0.300", "0.300"], ["", ""]]


def test_a_ragged_table_is_refused_by_name(record, tmp_path):
    with pytest.raises(InputError, match="T"):
        write_study_page(one_table(record, ["a", "b"], [[1, 2], [1]]), tmp_path)


def test_the_atlas_lists_papers_by_number_in_wings_of_a_fixed_order(atlas_page):
    text = text_of(atlas_page)
    assert re.findall(r'data-wing="([^"]*)"', text) == ["interpret", "geometry", "optics"]
    assert re.findall(r'<span class="index">(\d+)</span>', text) == ["01", "02", "07", "09", "03"]
    assert "Paths inside trained networks" in text


def test_the_atlas_counts_states_and_claims(atlas_page):
    text = text_of(atlas_page)
    counts = re.findall(r"<dt><span[^>]*>(?:<span[^>]*>.</span> )?([^<]*)</span></dt><dd>(\d+)</dd>", text)
    assert counts == [("partly", "1"), ("not run", "1"), ("not built", "3")]
    assert re.findall(r"\d+ of \d+ claims", text) == ["1 of 3 claims"]
    options = re.findall(r"<option>([^<]*)</option>", text)
    assert options == ["partly", "not run", "not built", "interpret", "geometry", "optics"]


def test_a_state_that_the_atlas_does_not_know_comes_last_and_stays_readable(catalogue, tmp_path):
    catalogue[0]["state"] = "a <new> state"
    text = text_of(write_atlas(catalogue, {}, tmp_path))
    assert re.findall(r"<option>([^<]*)</option>", text)[3] == "a &lt;new&gt; state"


@pytest.mark.parametrize("slug", ["index", "../up", "a/b", "Big", "", "a b", "x.html", "-x", None, "a\n"])
def test_a_slug_that_cannot_be_a_file_name_is_refused(record, tmp_path, slug):
    message = re.escape(f"and not 'index', got {slug!r}.")
    with pytest.raises(
        InputError, match=rf"^slug must be lower-case letters, digits, '-' and '_', {message}$"
    ):
        write_study_page(record | {"slug": slug}, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("number", [0, 2, "1", None])
def test_a_record_of_another_format_is_refused(record, tmp_path, number):
    with pytest.raises(InputError, match=rf"^record must have format 1, got {number!r}\.$"):
        write_study_page(record | {"format": number}, tmp_path)
    with pytest.raises(InputError, match="record must have format 1"):
        write_atlas([], {"neuron-path": record | {"format": number}}, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_record_under_the_name_of_another_study_is_refused(catalogue, record, tmp_path):
    with pytest.raises(InputError, match=r"^records\['rich-lazy'\] is the record of 'neuron-path'\.$"):
        write_atlas(catalogue, {"rich-lazy": record}, tmp_path)


@pytest.mark.parametrize("key", ["slug", "title", "claims", "state"])
def test_an_incomplete_record_is_refused_with_the_missing_part(record, tmp_path, key):
    del record[key]
    with pytest.raises(InputError, match=key):
        write_study_page(record, tmp_path)


@pytest.mark.parametrize("broken", ["index.html", "neuron-path.html"])
def test_a_failed_write_leaves_the_old_page(catalogue, record, atlas_page, monkeypatch, broken):
    folder, replace = atlas_page.parent, os.replace
    before = {file.name: file.read_bytes() for file in folder.iterdir()}

    def full(source, target):
        if Path(target) == folder / broken:
            raise OSError(28, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", full)
    catalogue[0]["title"] = "Another"
    with pytest.raises(OSError, match="No space left"):
        write_atlas(catalogue, {"neuron-path": record | {"title": "Another"}}, folder)
    after = {file.name: file.read_bytes() for file in folder.iterdir()}
    assert sorted(after) == ["index.html", "neuron-path.html"]  # no leftover
    assert after[broken] == before[broken]
    assert after["index.html"] == before["index.html"]


def test_a_page_that_cannot_be_rendered_leaves_the_old_one(record, study_page):
    before = study_page.read_bytes()
    record["claims"][1]["measured"] = "much"
    with pytest.raises(TypeError):
        write_study_page(record, study_page.parent)
    assert study_page.read_bytes() == before
