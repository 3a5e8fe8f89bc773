"""Other programs on the engine's OpenAI-compatible address, the switch included."""

from __future__ import annotations

from collections.abc import Iterator

import openai
import pytest

from chatapp.domain import Role, Sampling
from chatapp.engine.process.local_engine import LocalEngine
from chatapp.engine.prompt import ChatPrompt
from chatapp.ui.panes.models import snippet

QUESTION = "What is speculative decoding?"


@pytest.fixture
def client(engine: LocalEngine, monkeypatch: pytest.MonkeyPatch) -> Iterator[openai.OpenAI]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    base = f"{engine.status().address}/v1"
    with openai.OpenAI(base_url=base, api_key=engine.api_key, timeout=300) as client:
        yield client


def ask(client: openai.OpenAI, model: str, speculation: bool | None) -> str:
    custom = {} if speculation is None else {"custom_params": {"speculation": speculation}}
    reply = client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": QUESTION}],
        temperature=0,
        max_tokens=48,
        extra_body=custom,
    )
    return reply.choices[0].message.content or ""


def test_the_switch_works_from_another_client(client: openai.OpenAI, engine: LocalEngine) -> None:
    """The same text on and off; that it was off is seen in the engine's own count."""
    model = client.models.list().data[0].id
    assert model == engine.status().pair_name

    def verified() -> float:
        return _counter(engine, "sglang:spec_verify_calls_total")

    before = verified()
    on = ask(client, model, True)
    after_on = verified()
    off = ask(client, model, False)
    assert on == off != ""
    assert ask(client, model, None) == on, "without a word it is on"
    assert after_on > before


async def test_it_says_what_our_own_client_hears(
    client: openai.OpenAI, engine: LocalEngine, prompt: ChatPrompt
) -> None:
    ids = prompt.encode([(Role.USER, QUESTION)])
    chunks = [c async for c in engine.client.stream(ids, Sampling(max_tokens=48), False)]
    assert chunks[-1].text.strip() == ask(client, engine.status().pair_name, False).strip()


def test_a_wrong_key_is_refused(engine: LocalEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    base = f"{engine.status().address}/v1"
    with openai.OpenAI(base_url=base, api_key="wrong", max_retries=0) as stranger:
        with pytest.raises(openai.APIStatusError) as refused:
            stranger.models.list()
    assert refused.value.status_code in (401, 403)


def test_the_snippet_on_the_page_runs(
    engine: LocalEngine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("EAGLECHAT_KEY", engine.api_key)
    code = snippet(f"{engine.status().address}/v1", engine.status().pair_name)
    exec(compile(code + "print(reply.choices[0].message.content)", "snippet", "exec"), {})
    assert capsys.readouterr().out.strip()


def _counter(engine: LocalEngine, name: str) -> float:
    import httpx

    headers = {"Authorization": f"Bearer {engine.api_key}"}
    url = f"{engine.status().address}/metrics"
    lines = httpx.get(url, headers=headers, trust_env=False, timeout=30).text.splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name + "{"))
