"""A trace streams, resumes, refuses what does not fit, and gives the same bytes on every engine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hodology.errors import InputError, UnknownNameError
from hodology.interpret import NeuronPath
from hodology.interpret.class_labels import map_labels
from hodology.interpret.trace import TraceSettings, trace
from hodology.interpret.trace_output import write_outputs
from hodology.interpret.trace_settings import forget
from hodology.interpret.trace_shard import trace_shard
from hodology.nn.load import LoadedModel, load_model
from hodology.path import PathSet
from hodology.work import ProcessEngine

FACTORY = """
import torch
from hodology.nn.models import VisionTransformer
def build():
    model = VisionTransformer(image_size=8, patch_size=4, depth=2, width=16, heads=2, hidden=12, rng=1)
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(2)
    return model
"""


@pytest.fixture
def settings(tmp_path):
    (tmp_path / "net.py").write_text(FACTORY)
    return TraceSettings(model=f"{tmp_path / 'net.py'}:build", limit=20, shard=6, batch=4, steps=4)


def _bytes(folder: Path) -> dict[str, bytes]:
    names = ["paths.jsonl", "paths-random.jsonl", "summary.json"]
    return {name: (folder / name).read_bytes() for name in names}


def test_the_files_hold_what_the_library_computes(settings, tmp_path):
    run = trace(settings, tmp_path / "out")
    view = write_outputs(run)
    assert run.ran == 4
    paths = PathSet.from_jsonl(tmp_path / "out" / "paths.jsonl")
    assert len(paths) == 20
    model = load_model(settings.model).model
    from hodology.data import open_dataset

    images = torch.from_numpy(np.stack([item.content for item in open_dataset("digits").items(0, 20)]))
    expected = NeuronPath(model, steps=4).find(images)
    assert paths.units()[:, :, 0].tolist() == expected.path[:, :, 0].tolist()
    np.testing.assert_allclose(paths.scores, expected.score.numpy(), rtol=1e-4, atol=1e-7)
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["table"][0]["jas"]["estimate"] == pytest.approx(float(expected.score.mean()), rel=1e-4)
    assert view["data"]["n"] == 20
    assert sum(group["n"] for group in view["classes"]) == 20
    json.dumps(view, allow_nan=False)


def test_two_processes_give_the_same_bytes_as_one(settings, tmp_path):
    for name, engine in (("one", None), ("two", ProcessEngine(jobs=2, threads=1))):
        write_outputs(trace(settings, tmp_path / name, engine=engine))
    assert _bytes(tmp_path / "one") == _bytes(tmp_path / "two")


def test_no_path_depends_on_the_cut_into_shards_and_batches(settings, tmp_path):
    found = []
    for shard, batch in ((6, 4), (20, 7)):
        run = trace(replace(settings, shard=shard, batch=batch), tmp_path / f"{shard}")
        found.append(np.concatenate([part.paths for part in run.shards()], axis=1))
    assert (found[0] == found[1]).all()


def test_a_killed_run_resumes_to_the_same_bytes(settings, tmp_path):
    write_outputs(trace(settings, tmp_path / "whole"))
    code = (
        "import sys, time; from hodology.interpret.trace import *; import torch; torch.set_num_threads(1)\n"
        f"settings = TraceSettings(model={settings.model!r}, limit=20, shard=6, batch=4, steps=4)\n"
        "if __name__ == '__main__':\n"
        f"    trace(settings, {str(tmp_path / 'cut')!r}, on_shard=lambda n: (print('done', flush=True), time.sleep(0.4)))\n"
    )
    script = tmp_path / "run.py"
    script.write_text(code)
    process = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, env=os.environ.copy())
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    kept = list((tmp_path / "cut" / "units").glob("*.unit"))
    assert 2 <= len(kept) < 4
    before = {f: f.stat().st_mtime_ns for f in kept}
    run = trace(settings, tmp_path / "cut")
    assert run.ran == 4 - len(kept)
    assert {f: f.stat().st_mtime_ns for f in kept} == before
    write_outputs(run)
    assert _bytes(tmp_path / "cut") == _bytes(tmp_path / "whole")


def test_ctrl_c_leaves_nothing_half_written(settings, tmp_path):
    def stop(count):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trace(settings, tmp_path / "out", on_shard=stop)
    assert not [f for f in (tmp_path / "out").rglob("*") if f.name.startswith(".part")]
    assert not (tmp_path / "out" / "units" / ".holder").exists()
    assert trace(settings, tmp_path / "out").ran == 3


def test_a_damaged_shard_is_computed_again(settings, tmp_path):
    run = trace(settings, tmp_path / "out")
    file = tmp_path / "out" / "units" / f"{run.units[1].key}.unit"
    file.write_bytes(file.read_bytes()[:-10])
    assert trace(settings, tmp_path / "out").ran == 1


def test_other_settings_never_mix_with_a_finished_run(settings, tmp_path):
    trace(settings, tmp_path / "out")
    other = TraceSettings(model=settings.model, limit=20, shard=6, batch=4, steps=5)
    with pytest.raises(InputError, match=r"holds a run with other steps \(4, now 5\); choose another --out"):
        trace(other, tmp_path / "out")
    with pytest.raises(InputError, match="holds a run already"):
        trace(settings, tmp_path / "out", resume=False)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="not empty and holds no trace"):
        trace(settings, tmp_path / "full")


def test_a_start_that_got_nowhere_binds_nobody_and_a_longer_run_goes_on(settings, tmp_path):
    with pytest.raises(InputError, match="top_k"):
        trace(replace(settings, top_k=13), tmp_path / "out")
    assert trace(replace(settings, limit=12), tmp_path / "out").ran == 2
    assert trace(settings, tmp_path / "out").ran == 2  # 20 inputs in 4 shards, two of them there
    (tmp_path / "out" / "manifest.json").write_text("{")
    assert trace(settings, tmp_path / "out").ran == 0
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is a file"):
        trace(settings, tmp_path / "file")


def test_a_second_trace_sees_what_changed(settings, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", False)  # as for users
    file = Path(settings.model.removesuffix(":build"))
    first = trace(settings, tmp_path / "one").manifest["fingerprints"]["model"]
    when = file.stat()
    file.write_text(FACTORY.replace("rng=1", "rng=2"))
    os.utime(file, ns=(when.st_atime_ns, when.st_mtime_ns))  # of the same size, within the same second
    assert not (file.parent / "__pycache__").exists()
    assert trace(settings, tmp_path / "two").manifest["fingerprints"]["model"] != first


def test_a_factory_without_a_seed_is_told_from_a_changed_model(settings, tmp_path):
    file = Path(settings.model.removesuffix(":build"))
    file.write_text(FACTORY.replace("rng=1", "rng=int.from_bytes(__import__('os').urandom(4), 'big')"))
    run = trace(settings, tmp_path / "out")  # one process loads it once
    forget()
    with pytest.raises(InputError, match="factory gives other weights at each call"):
        trace_shard(run.units[0].payload)


def test_accuracy_is_against_the_labels(settings, tmp_path):
    run = trace(settings, tmp_path / "out")
    shards = list(run.shards())
    labels, predicted = (np.concatenate([getattr(s, n) for s in shards]) for n in ("labels", "predicted"))
    correct = np.concatenate([s.effects.correct for s in shards])
    assert correct.tolist() == (labels == predicted).tolist()
    assert 0 < correct.mean() < 1


def test_layers_of_a_plain_sequential_go_by_their_names_and_a_chain_has_zero_scores(tmp_path):
    (tmp_path / "net.py").write_text(
        "import torch\ndef build():\n    torch.manual_seed(0)\n    n = torch.nn\n"
        "    return n.Sequential(n.Flatten(), n.Linear(64, 12), n.ReLU(), n.Linear(12, 10), n.ReLU(), n.Linear(10, 10))\n"
    )
    model = f"{tmp_path / 'net.py'}:build"
    run = trace(TraceSettings(model=model, limit=6, steps=3, layers=("2", "4")), tmp_path / "out")
    assert [site["name"] for site in run.manifest["sites"]] == ["2", "4"]
    view = write_outputs(run)
    assert len(view["items"]) == 6


def test_a_changed_model_is_noticed_by_the_shard(settings, tmp_path):
    run = trace(settings, tmp_path / "out")
    payload = dict(run.units[0].payload)
    payload["fingerprints"] = {**payload["fingerprints"], "model": "other"}
    with pytest.raises(InputError, match="the model .* is not the one that the run began with"):
        trace_shard(payload)


def test_targets_by_label_and_class(settings, tmp_path):
    from dataclasses import replace

    for target in ("label", "3"):
        run = trace(replace(settings, target=target, limit=6), tmp_path / target)
        shard = next(run.shards())
        expected = shard.labels if target == "label" else np.full(6, 3)
        np.testing.assert_array_equal(shard.effects.targets, expected)
    with pytest.raises(InputError, match="target must be predicted, label or a class id"):
        replace(settings, target="best")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"batch": 0}, InputError, "batch must be at least 1, got 0"),
        ({"limit": 0}, InputError, "limit must be at least 1, got 0"),
        ({"methods": ("neuron",)}, UnknownNameError, "close names: 'neuron-path'"),
        ({"methods": ("random", "random")}, InputError, "name each method once"),
    ],
)
def test_wrong_settings_are_explained(options, error, message):
    with pytest.raises(error, match=message):
        TraceSettings(**options)


def test_labels_are_mapped_by_name():
    def loaded(names):
        return LoadedModel(torch.nn.Identity(), "image", "m", lambda c: torch.zeros(1), names)

    assert map_labels(("dog", "Tabby_Cat"), loaded(("tabby cat, tabby", "owl", "dog"))) == {0: 2, 1: 0}
    assert map_labels(("dog", "cow"), loaded(("dog", "owl"))) == {0: 0}
    assert map_labels(("cow",), loaded(("dog", "owl"))) is None
    assert map_labels(("crane", "owl"), loaded(("crane", "crane", "owl"))) == {1: 2}
    assert map_labels(("dog", "cow"), loaded(("LABEL_0", "LABEL_1"))) == {0: 0, 1: 1}
    assert map_labels(None, loaded(("dog", "owl"))) == {}
    assert map_labels(("a", "b"), loaded(None)) == {0: 0, 1: 1}


def test_text_is_traced_with_a_language_model(tmp_path):
    transformers = pytest.importorskip("transformers", reason="needs the hf extra")
    tokenizers = pytest.importorskip("tokenizers")
    words = {"<end>": 0, "the": 1, "cat": 2, "sat": 3, "dog": 4}
    core = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="<end>"))
    core.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    folder = tmp_path / "gpt"
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=core, eos_token="<end>", unk_token="<end>"
    ).save_pretrained(folder)
    config = transformers.GPT2Config(
        n_embd=8, n_layer=2, n_head=2, vocab_size=5, bos_token_id=0, eos_token_id=0
    )
    transformers.GPT2LMHeadModel(config).save_pretrained(folder)
    (tmp_path / "texts.jsonl").write_text('{"text": "the cat"}\n{"text": "the dog sat"}\n{"text": "sat"}\n')
    settings = TraceSettings(model=str(folder), data=str(tmp_path / "texts.jsonl"), steps=3)
    view = write_outputs(trace(settings, tmp_path / "out"))
    assert view["kind"] == "text"
    assert view["items"][1]["text"] == "the dog sat"
    assert {group["name"] for group in view["classes"]} <= set(words)


@pytest.mark.filterwarnings("ignore")  # distributed warns of ports and of the worker killed on purpose
def test_a_dask_cluster_gives_the_same_bytes_with_a_worker_killed_half_way(settings, tmp_path):
    distributed = pytest.importorskip("distributed", reason="needs the dist extra")
    from hodology.work import DaskEngine

    write_outputs(trace(settings, tmp_path / "one"))
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, protocol="tcp://", dashboard_address=None
    ) as cluster:
        pids = [worker.process.pid for worker in cluster.workers.values()]
        seen = []

        def kill(count):
            seen.append(count)
            if len(seen) == 1:
                os.kill(pids[0], signal.SIGKILL)

        engine = DaskEngine(cluster.scheduler_address, threads=1)
        run = trace(settings, tmp_path / "dask", engine=engine, on_shard=kill)
        assert sum(seen) == 20
        assert run.ran == 4
    write_outputs(run)
    assert _bytes(tmp_path / "one") == _bytes(tmp_path / "dask")


def test_the_hub_layout_of_cifar_is_traced(real_data, tmp_path):
    pytest.importorskip("pyarrow", reason="needs the hf extra")
    file = real_data / "cifar-10" / "test.parquet"
    if not file.exists():
        pytest.skip("no CIFAR-10 in the folder of real data")
    (tmp_path / "net.py").write_text(
        "from hodology.nn.models import VisionTransformer\n"
        "def build():\n"
        "    return VisionTransformer(image_size=32, patch_size=8, channels=3, depth=2, width=16, heads=2, hidden=12)\n"
    )
    settings = TraceSettings(model=f"{tmp_path / 'net.py'}:build", data=str(file), limit=8, steps=3)
    view = write_outputs(trace(settings, tmp_path / "out"))
    assert view["items"][0]["image"].startswith("data:image/png;base64,")
    assert view["model"]["accuracy"] is not None
