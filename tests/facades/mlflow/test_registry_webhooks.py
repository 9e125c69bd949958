"""MLflow's webhooks: made by its client, sent by ours to a real receiver, in its form and signed its way."""

import base64
import hashlib
import hmac
import json
import queue
import random
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities.webhook import WebhookEvent
from mlflow.exceptions import RestException

from budwood.server.outgoing import Outgoing
from budwood.server.sender import Sender
from budwood.wiring import served
from tests.servers.running import TOKEN, serving

SECRET = "correct horse"


class Receiver:
    """What came, in order."""

    def __init__(self) -> None:
        came: queue.Queue[tuple[dict[str, str], bytes]] = queue.Queue()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                came.put((dict(self.headers.items()), body))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.came = came
        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"

    def next(self) -> dict[str, Any]:
        """The next message, once its signature is checked."""
        headers, body = self.came.get(timeout=10)
        signed = f"{headers['X-MLflow-Delivery-Id']}.{headers['X-MLflow-Timestamp']}.".encode() + body
        made = base64.b64encode(hmac.new(SECRET.encode(), signed, hashlib.sha256).digest()).decode()
        assert headers["X-MLflow-Signature"] == f"v1,{made}"
        message: dict[str, Any] = json.loads(body)
        assert message.pop("timestamp").startswith("20")
        return message


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    thread = threading.Thread(target=receiver.server.serve_forever, daemon=True)
    thread.start()
    yield receiver
    receiver.server.shutdown()
    receiver.server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Of a server that may send to this machine, and does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BUDWOOD_ALLOW_NETWORKS", "127.0.0.0/8")
        patch.setenv("MLFLOW_TRACKING_TOKEN", TOKEN)
        opened = served(tmp_path_factory.mktemp("hooks") / "registry")
        with serving(opened, "mara") as address:
            sender = Sender(opened.house, Outgoing(opened.allow_networks), random.Random(1).random)
            sender.start()
            yield MlflowClient(address)
            sender.close()


def every(*names: str) -> list[WebhookEvent]:
    return [WebhookEvent.from_str(name) for name in names]


def test_what_happens_to_models_is_told_in_mlflows_form(client: Any, receiver: Receiver) -> None:
    events = every(
        *("registered_model.created", "model_version.created", "model_version_tag.set", "model_version_tag.deleted"),
        *("model_version_alias.created", "model_version_alias.deleted"),
    )
    hook = client.create_webhook("all", receiver.url, events, description="to test", secret=SECRET)
    assert (hook.name, hook.status.value, len(hook.events)) == ("all", "ACTIVE", 6)
    client.create_registered_model("My Model", tags={"a": "b"}, description="d")
    assert receiver.next() == {
        "entity": "registered_model",
        "action": "created",
        "data": {"name": "My Model", "tags": {"a": "b"}, "description": "d"},
    }
    client.create_model_version("My Model", "s3://b/m", tags={"x": "y"})
    told = receiver.next()
    assert (told["entity"], told["action"]) == ("model_version", "created")
    assert told["data"] == {
        "name": "My Model",
        "version": "1",
        "source": "s3://b/m",
        "run_id": None,
        "tags": {"x": "y"},
        "description": None,
    }
    client.set_model_version_tag("My Model", "1", "k", "v")
    assert receiver.next()["data"] == {"name": "My Model", "version": "1", "key": "k", "value": "v"}
    client.delete_model_version_tag("My Model", "1", "k")
    assert receiver.next()["data"] == {"name": "My Model", "version": "1", "key": "k"}
    client.set_registered_model_alias("My Model", "production", "1")
    assert receiver.next()["data"] == {"name": "My Model", "alias": "production", "version": "1"}
    client.delete_registered_model_alias("My Model", "production")
    assert receiver.next()["data"] == {"name": "My Model", "alias": "production"}
    client.delete_webhook(hook.webhook_id)


def test_a_webhook_is_told_what_it_wants_and_no_more(client: Any, receiver: Receiver) -> None:
    hook = client.create_webhook(
        "prompts", receiver.url, every("prompt.created", "prompt_version.created"), secret=SECRET
    )
    client.create_registered_model("no-prompt")
    client.register_prompt("hello", "Hello {{name}}!", tags={"tone": "warm"})
    assert receiver.next()["entity"] == "prompt"
    told = receiver.next()
    assert (told["entity"], told["data"]["template"]) == ("prompt_version", "Hello {{name}}!")
    client.update_webhook(hook.webhook_id, status="DISABLED")
    client.register_prompt("silent", "x")
    assert receiver.came.empty()
    client.delete_webhook(hook.webhook_id)
    with pytest.raises(RestException, match=f"Webhook with ID {hook.webhook_id} not found"):
        client.get_webhook(hook.webhook_id)


def test_a_test_is_sent_and_says_what_came_of_it(client: Any, receiver: Receiver) -> None:
    hook = client.create_webhook("try", receiver.url, every("model_version.created"), secret=SECRET)
    result = client.test_webhook(hook.webhook_id)
    assert (result.success, result.response_status) == (True, 204)
    assert receiver.next()["entity"] == "model_version"
    client.update_webhook(hook.webhook_id, name="renamed", secret=SECRET, url=receiver.url + "/2")
    assert client.test_webhook(hook.webhook_id, every("prompt_alias.created")[0]).success
    assert receiver.next()["entity"] == "prompt_alias"
    assert [each.name for each in client.list_webhooks()] == ["renamed"]
    client.delete_webhook(hook.webhook_id)


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/latest", "http://[::ffff:169.254.169.254]/", "http://2852039166/", "ftp://h/x", "x"]
)
def test_a_webhook_does_not_lead_inside(client: Any, url: str) -> None:
    with pytest.raises(RestException) as refused:
        client.create_webhook("inside", url, every("model_version.created"))
    assert refused.value.error_code == "INVALID_PARAMETER_VALUE"
    assert not [each for each in client.list_webhooks() if each.name == "inside"]


def test_a_mistaken_webhook_is_refused(client: Any, receiver: Receiver) -> None:
    with pytest.raises(RestException, match="It must start and end"):
        client.create_webhook("-", receiver.url, every("model_version.created"))


def test_webhooks_come_in_pages(client: Any) -> None:
    events = [WebhookEvent.from_str("registered_model.created")]
    made = {client.create_webhook(f"hook{number}", "https://example.com/x", events).webhook_id for number in range(3)}
    found, token = list[str](), None
    while token or not found:
        page = client.list_webhooks(max_results=2, page_token=token)
        assert len(page) <= 2
        found += [each.webhook_id for each in page]
        token = page.token
    assert len(found) == len(set(found))
    assert made <= set(found)
    for asked in ({"max_results": 1_001}, {"page_token": "x"}):
        with pytest.raises(RestException, match="INVALID_PARAMETER_VALUE"):
            client.list_webhooks(**asked)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("   ", "cannot be empty or just whitespace"),
        ("ftp://h", "URL scheme: 'ftp'"),
        ("http://[x", "Invalid webhook URL"),
    ],
)
def test_an_address_that_is_none_is_refused_in_mlflows_words(client: Any, url: str, told: str) -> None:
    with pytest.raises(RestException, match=told):
        client.create_webhook("hook", url, [WebhookEvent.from_str("registered_model.created")])
