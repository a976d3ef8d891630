"""Endpoints fail in many ways and the client says which; local models answer alike each time; killed runs go on."""

from __future__ import annotations

import email.utils
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch

from hodology.errors import FileFormatError, InputError, UnavailableError
from hodology.nn.models import small_gpt, word_tokenizer
from hodology.planning.chat_model import ChatModel, EndpointModel, TransformersModel, ask

ASKED = [{"role": "system", "content": "w1 w2"}, {"role": "user", "content": "w3 w4 w5"}]
KEY = "sk-very-secret-1234"


class _Stub:
    """An endpoint that answers by a list: (status, headers, body), or seconds to stay silent."""

    def __init__(self) -> None:
        stub = self
        self.script, self.requests, self.lock = [], [], threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with stub.lock:
                    stub.requests.append((self.path, dict(self.headers), json.loads(body)))
                    step = stub.script.pop(0) if len(stub.script) > 1 else stub.script[0]
                if callable(step):
                    step = step(json.loads(body))
                if isinstance(step, float):
                    time.sleep(step)
                    step = (200, {}, b"")
                if step is None:
                    self.connection.close()
                    return
                status, headers, data = step
                self.send_response(status)
                for name, value in ({"Content-Length": str(len(data))} | headers).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *args):
                pass

        class Quiet(ThreadingHTTPServer):
            def handle_error(self, request, client_address):
                pass  # the client went away, as some tests want it

        self.server = Quiet(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()


@pytest.fixture
def stub():
    made = _Stub()
    yield made
    made.server.shutdown()
    made.server.server_close()
    made.thread.join()


@pytest.fixture(autouse=True)
def sleeps(monkeypatch):
    """Waits between tries are noted, not waited."""
    noted = []
    monkeypatch.setattr("hodology.planning.chat_endpoint.time.sleep", noted.append)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # nobody is there: local calls must not use it
    return noted


def _told(content, **message):
    return 200, {}, json.dumps({"choices": [{"message": {"content": content}, **message}]}).encode()


def _refused(status, text="", **headers):
    return status, headers, json.dumps({"error": {"message": text}}).encode()


# ---------------------------------------------------------------------------------------------------- endpoint


def test_an_answer_comes_back_and_the_request_is_as_it_should_be(stub, sleeps):
    stub.script = [_told("##Answer: minor")]
    model = EndpointModel(stub.url, "tiny")
    assert isinstance(model, ChatModel)
    assert model.complete(ASKED, max_tokens=7, temperature=0.5, seed=3) == "##Answer: minor"
    path, headers, body = stub.requests[0]
    assert path == "/v1/chat/completions"
    assert headers["Authorization"] == f"Bearer {KEY}"
    assert body == {"model": "tiny", "messages": ASKED, "max_tokens": 7, "temperature": 0.5, "seed": 3}
    EndpointModel(stub.url, "tiny", token_field="max_completion_tokens").complete(ASKED)
    assert "max_tokens" not in stub.requests[1][2]
    assert "seed" not in stub.requests[1][2]
    assert stub.requests[1][2]["max_completion_tokens"] == 512
    assert sleeps == []


def test_keys_are_sent_only_when_there_are_any(stub, monkeypatch):
    stub.script = [_told("x")]
    EndpointModel(stub.url, "tiny", api_key_env=None).complete(ASKED)
    monkeypatch.delenv("OPENAI_API_KEY")
    EndpointModel(stub.url, "tiny").complete(ASKED)
    assert all("Authorization" not in headers for _, headers, _ in stub.requests)
    with pytest.raises(
        InputError, match="environment variable OPENAI_API_KEY is not set: .*--key-env names another variable"
    ):
        EndpointModel("https://example.org", "tiny").complete(ASKED)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-\u201cquoted")
    with pytest.raises(InputError, match="OPENAI_API_KEY holds characters that no key has") as caught:
        EndpointModel(stub.url, "tiny").complete(ASKED)
    assert "quoted" not in str(caught.value)


def test_what_may_pass_is_tried_again(stub, sleeps):
    stub.script = [_refused(429), _refused(500), None, _refused(503), _told("fine")]
    assert EndpointModel(stub.url, "tiny", retries=4).complete(ASKED) == "fine"
    assert len(stub.requests) == 5
    for wait, longest in zip(sleeps, (0.5, 1, 2, 4), strict=True):
        assert longest / 2 <= wait <= longest


def test_the_endpoint_may_say_how_long_to_wait(stub, sleeps):
    later = email.utils.formatdate(time.time() + 20, usegmt=True)
    stub.script = [
        _refused(429, **{"Retry-After": "7"}),
        _refused(503, **{"Retry-After": later}),
        _refused(503, **{"Retry-After": "soon"}),
        _told("fine"),
    ]
    assert EndpointModel(stub.url, "tiny").complete(ASKED) == "fine"
    assert sleeps[0] == 7
    assert 15 <= sleeps[1] <= 20
    assert 1 <= sleeps[2] <= 2
    stub.script = [_refused(429, **{"Retry-After": "3600"})]
    with pytest.raises(
        UnavailableError, match="answered 429 .*; it asks to wait 3600 s, above max_wait_s 60"
    ):
        EndpointModel(stub.url, "tiny").complete(ASKED)
    assert len(stub.requests) == 5


def test_lasting_failures_end_in_one_clear_line(stub, sleeps):
    stub.script = [_refused(500, "out of memory")]
    with pytest.raises(UnavailableError, match=r"answered 500 .*: out of memory \(tried 3 times\)"):
        EndpointModel(stub.url, "tiny", retries=2).complete(ASKED)
    assert len(stub.requests) == 3
    assert len(sleeps) == 2
    stub.script = [None]
    with pytest.raises(UnavailableError, match=r"cannot be reached: .*\(tried once\)"):
        EndpointModel(stub.url, "tiny", retries=0).complete(ASKED)
    stub.server.shutdown()
    stub.server.server_close()
    with pytest.raises(UnavailableError, match="cannot be reached: .*refused"):
        EndpointModel(stub.url, "tiny", retries=1).complete(ASKED)


def test_silence_is_a_time_out(stub, monkeypatch):
    monkeypatch.undo()
    stub.script = [0.6]
    with pytest.raises(UnavailableError, match=r"cannot be reached: no answer within 0\.1 s \(tried once\)"):
        EndpointModel(stub.url, "tiny", timeout_s=0.1, retries=0).complete(ASKED)


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (401, r"answered 401 .* \(the key is read from OPENAI_API_KEY\): bad key \*\*\*"),
        (404, "answered 404 .*: bad key"),
        (400, "answered 400 .*: bad key"),
    ],
)
def test_refusals_are_not_tried_again_and_never_show_the_key(stub, status, message):
    stub.script = [_refused(status, f"bad key {KEY}")]
    with pytest.raises(UnavailableError, match=message) as caught:
        EndpointModel(stub.url, "tiny").complete(ASKED)
    assert len(stub.requests) == 1
    assert KEY not in str(caught.value)
    assert caught.value.__cause__ is None
    assert KEY not in repr(vars(EndpointModel(stub.url, "tiny")))


def test_redirects_are_not_followed(stub):
    stub.script = [(302, {"Location": f"{stub.url}/elsewhere"}, b""), _told("x")]
    with pytest.raises(UnavailableError, match="answered 302 .*redirects are not followed"):
        EndpointModel(stub.url, "tiny").complete(ASKED)
    assert len(stub.requests) == 1


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"<html>", "answered with no JSON: b'<html>'"),
        (b"[" * 100_000, "answered with no JSON"),
        (b"{}", r"answered without choices\[0\]\.message"),
        (b'{"choices": []}', r"answered without choices\[0\]\.message"),
        (b'{"choices": [{"message": "x"}]}', r"answered without choices\[0\]\.message"),
        (_told(None, finish_reason="length")[2], r"answered with no text \(finish_reason 'length'\)"),
        (_told(" ")[2], r"answered with no text \(finish_reason None\)"),
        (_told(3)[2], "answered with no text"),
        (b"x" * (2**24 + 1), "answered with more than 16777216 bytes"),
    ],
)
def test_answers_of_another_form_are_said(stub, body, message):
    stub.script = [(200, {}, body)]
    with pytest.raises(UnavailableError, match=message):
        EndpointModel(stub.url, "tiny").complete(ASKED)
    assert len(stub.requests) == 1


def test_content_may_come_in_parts(stub):
    stub.script = [_told([{"type": "text", "text": "a"}, {"type": "other"}, {"type": "text", "text": "b"}])]
    assert EndpointModel(stub.url, "tiny").complete(ASKED) == "ab"


def test_addresses():
    for url, full in {
        "https://a.org": "https://a.org/v1/chat/completions",
        "https://a.org/v1/": "https://a.org/v1/chat/completions",
        "https://a.org/api/v3": "https://a.org/api/v3/chat/completions",
        "https://a.org/x/chat/completions": "https://a.org/x/chat/completions",
        "http://[::1]:80/": "http://[::1]:80/v1/chat/completions",
        "http://localhost:8000": "http://localhost:8000/v1/chat/completions",
    }.items():
        assert EndpointModel(url, "m").url == full
    with pytest.raises(InputError, match="plain http to a.org would show the key"):
        EndpointModel("http://a.org", "m")
    with pytest.raises(InputError, match="plain http to localhost.a.org"):
        EndpointModel("http://localhost.a.org", "m")
    assert EndpointModel("http://a.org", "m", allow_http=True).url == "http://a.org/v1/chat/completions"
    for url in ("file:///etc/passwd", "a.org", "https://"):
        with pytest.raises(InputError, match="url must begin with https://"):
            EndpointModel(url, "m")
    with pytest.raises(InputError, match="must hold no user, password, query") as caught:
        EndpointModel("https://me:word@a.org", "m")
    assert "word@" not in str(caught.value)
    with pytest.raises(InputError, match="model must be the name"):
        EndpointModel("https://a.org", "")
    with pytest.raises(InputError, match="timeout_s must be above 0"):
        EndpointModel("https://a.org", "m", timeout_s=0)


# ------------------------------------------------------------------------------------------------ transformers

WORDS = [f"w{i}" for i in range(14)]
SHOUT = (
    "{% for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
    "w9 {{ m['content'] }} {% endfor %}{% if add_generation_prompt %}w7{% endif %}"
)


@pytest.fixture
def tokenizer():
    pytest.importorskip("transformers", reason="needs the hf extra")
    return word_tokenizer(WORDS)


@pytest.fixture
def gpt(tokenizer):
    model = small_gpt(len(tokenizer), depth=2, width=16, heads=2, hidden=24, context=40, rng=3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3.0)
    return model


def _greedy(model, ids, n):
    for _ in range(n):
        with torch.no_grad():
            best = int(model(input_ids=torch.tensor([ids])).logits[0, -1].argmax())
        ids = [*ids, best]
        if best == 3:
            break
    return ids


def test_the_answer_is_the_greedy_continuation(gpt, tokenizer):
    gpt.generation_config.temperature, gpt.generation_config.do_sample = 0.6, True
    gpt.generation_config.repetition_penalty = 5.0  # the model's own defaults do not mix in
    model = TransformersModel(gpt, tokenizer)
    assert isinstance(model, ChatModel)
    ids = tokenizer("w1 w2\n\nw3 w4 w5\n\n")["input_ids"]
    expected = tokenizer.decode(_greedy(gpt, ids, 6)[len(ids) :], skip_special_tokens=True)
    assert model.complete(ASKED, max_tokens=6) == expected
    assert expected


def test_the_chat_template_is_used_and_may_lack_a_system_role(gpt, tokenizer):
    tokenizer.chat_template = SHOUT
    ids = [tokenizer.convert_tokens_to_ids(w) for w in ("w9", "w1", "w2", "w3", "w4", "w5", "w7")]
    model = TransformersModel(gpt, tokenizer)
    assert model._encode(ASKED)[0].tolist() == ids
    expected = tokenizer.decode(_greedy(gpt, ids, 5)[len(ids) :], skip_special_tokens=True)
    assert model.complete(ASKED, max_tokens=5) == expected
    with pytest.raises(InputError, match="chat template of .* refuses the messages: no system role"):
        model.complete(ASKED[:1], max_tokens=5)


def test_draws_come_from_the_seed_and_the_model_is_left_as_it_was(gpt, tokenizer):
    model = TransformersModel(gpt.train(), tokenizer)
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    drawn = [model.complete(ASKED, max_tokens=12, temperature=2.0, seed=seed) for seed in (0, 0, 1, 2)]
    assert torch.equal(torch.rand(1), expected)
    assert drawn[0] == drawn[1]
    assert len(set(drawn)) > 1
    assert gpt.training
    assert all(p.requires_grad for p in gpt.parameters())
    with pytest.raises(InputError, match="temperature 2 draws tokens and needs a seed"):
        model.complete(ASKED, temperature=2.0)


def test_a_model_that_was_saved_is_loaded(gpt, tokenizer, tmp_path):
    expected = TransformersModel(gpt, tokenizer).complete(ASKED, max_tokens=5)
    gpt.save_pretrained(tmp_path / "gpt")
    tokenizer.save_pretrained(tmp_path / "gpt")
    loaded = TransformersModel.from_pretrained(tmp_path / "gpt", dtype=torch.float32)
    assert loaded.complete(ASKED, max_tokens=5) == expected
    assert loaded.name == f"{tmp_path / 'gpt'} (GPT2LMHeadModel)"
    (tmp_path / "gpt" / "model.safetensors").write_bytes(b"\0" * 100)
    with pytest.raises(FileFormatError, match="gpt cannot be loaded as a chat model"):
        TransformersModel.from_pretrained(tmp_path / "gpt")
    with pytest.raises(UnavailableError, match="model 'nobody/nothing' is not on this machine"):
        TransformersModel.from_pretrained("nobody/nothing")


def test_prompts_that_cannot_be_completed_are_refused(gpt, tokenizer):
    model = TransformersModel(gpt, tokenizer)
    with pytest.raises(InputError, match="prompt has 6 tokens and the answer may have 35, the model has 40"):
        model.complete(ASKED, max_tokens=35)
    with pytest.raises(InputError, match="messages must be a list with one message at least"):
        model.complete([])
    with pytest.raises(InputError, match="message 1 must have a role of system, user, assistant"):
        model.complete([ASKED[0], {"role": "tool", "content": "x"}])
    with pytest.raises(InputError, match="message 0 must have .* content of text"):
        model.complete([{"role": "user", "content": None}])
    with pytest.raises(InputError, match="max_tokens must be at least 1, got 0"):
        model.complete(ASKED, max_tokens=0)
    with pytest.raises(InputError, match="temperature must be a number of at least 0, got -1"):
        model.complete(ASKED, temperature=-1)


# --------------------------------------------------------------------------------------------------- many at once


class _Echo:
    """Repeats the user text; fails on the texts it is told to."""

    name = "echo"

    def __init__(self, *bad: str) -> None:
        self.bad, self.asked, self.lock = bad, [], threading.Lock()

    def complete(self, messages, *, max_tokens=512, temperature=0.0, seed=None):
        text = messages[-1]["content"]
        with self.lock:
            self.asked.append(text)
        if text in self.bad:
            raise UnavailableError(f"no answer to {text}.")
        return f"{text}!"


def _prompts(*texts):
    return [[{"role": "user", "content": text}] for text in texts]


@pytest.mark.parametrize("threads", [1, 3])
def test_answers_come_in_the_order_of_prompts_and_equal_prompts_are_asked_once(threads):
    model, told = _Echo(), []
    found = ask(model, _prompts("a", "b", "a", "c"), threads=threads, on_answer=lambda *t: told.append(t))
    assert found == ["a!", "b!", "a!", "c!"]
    assert sorted(model.asked) == ["a", "b", "c"]
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert ask(model, []) == []


@pytest.mark.parametrize("threads", [1, 3])
def test_a_run_that_failed_goes_on_where_it_was(tmp_path, threads):
    texts = [f"t{i}" for i in range(8)]
    with pytest.raises(UnavailableError, match="no answer to t5") as caught:
        ask(_Echo("t5"), _prompts(*texts), folder=tmp_path / "kept", threads=threads)
    assert f"of 8 answers were there and are kept in {tmp_path / 'kept'}" in caught.value.__notes__[0]
    again = _Echo()
    assert ask(again, _prompts(*texts), folder=tmp_path / "kept", threads=threads) == [f"{t}!" for t in texts]
    assert "t5" in again.asked
    assert not set(again.asked) & set(texts[: 5 - threads + 1])
    silent = _Echo(*texts)
    assert ask(silent, _prompts(*texts), folder=tmp_path / "kept") == [f"{t}!" for t in texts]
    assert silent.asked == []


@pytest.mark.parametrize("threads", [1, 2])
def test_after_a_failure_no_call_is_begun(threads):
    model = _Echo("t0")
    with pytest.raises(UnavailableError, match="no answer to t0") as caught:
        ask(model, _prompts(*(f"t{i}" for i in range(60))), threads=threads)
    assert len(model.asked) < 60
    notes = getattr(caught.value, "__notes__", [])
    assert all("lost: pass folder to keep them" in note and not note.startswith("0 of") for note in notes)
    if threads == 1:  # not one answer was there, so none is spoken of
        assert notes == []


def test_kept_answers_are_of_the_same_model_prompt_and_settings(tmp_path):
    ask(_Echo(), _prompts("a"), folder=tmp_path)
    other = _Echo()
    other.name = "other"
    for model, options in (
        (other, {}),
        (_Echo(), {"seed": 1}),
        (_Echo(), {"max_tokens": 9}),
        (_Echo(), {"temperature": 1}),
    ):
        ask(model, _prompts("a"), folder=tmp_path, **options)
        assert model.asked == ["a"]
    file = next(tmp_path.glob("*.unit"))
    file.write_bytes(file.read_bytes()[:-3])
    assert sum(len(m.asked) for m in _asked_again(tmp_path)) == 1


def _asked_again(folder):
    """Of five kept answers one is damaged, whichever it is."""
    models = [_Echo() for _ in range(5)]
    models[1].name = "other"
    options = [{}, {}, {"seed": 1}, {"max_tokens": 9}, {"temperature": 1}]
    for model, chosen in zip(models, options):
        assert ask(model, _prompts("a"), folder=folder, **chosen) == ["a!"]
    return models


def test_an_endpoint_is_asked_by_several_threads(stub):
    stub.script = [lambda body: _told(body["messages"][-1]["content"].upper())]
    texts = [f"t{i}" for i in range(12)]
    assert ask(EndpointModel(stub.url, "tiny"), _prompts(*texts), threads=4) == [t.upper() for t in texts]


def test_bad_calls_are_refused_before_anything_is_asked(tmp_path):
    model = _Echo()
    with pytest.raises(InputError, match="threads must be at least 1, got 0"):
        ask(model, _prompts("a"), threads=0)
    with pytest.raises(InputError, match="messages must be a list") as caught:
        ask(model, [*_prompts("a"), []])
    assert caught.value.__notes__ == ["in prompt 1"]
    assert model.asked == []
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="a file is in its place"):
        ask(model, _prompts("a"), folder=tmp_path / "file")
