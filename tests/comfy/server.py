"""A real ComfyUI server as a subprocess, for tests: start it, queue graphs, watch its events, stop it.

Everything that the server writes lives in one folder (`--base-directory`), so two servers never meet and nothing in
the ComfyUI tree changes. It runs with `--cpu`. That flag excludes `--lowvram`, `--novram`, `--highvram` and
`--gpu-only` (one argparse group in both versions), and on a CPU ComfyUI sets its VRAM state to DISABLED anyway:
weight streaming can only be tested on a GPU (`ComfyServer(..., device_argv=["--novram"])`).
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import aiohttp
import psutil

PACK_FOLDER = "comfyui-followyouremoji"
REPOSITORY = Path(__file__).resolve().parents[2]
ANSI = re.compile(r"\x1b\[[0-9;]*m")

# Binary websocket messages (protocol.py of ComfyUI): a big-endian event number, then the payload.
PREVIEW_IMAGE, PREVIEW_WITH_METADATA = 1, 4


class ServerError(RuntimeError):
    """The server did not start, died, or answered nonsense. The message ends with its log."""


class PromptFailed(RuntimeError):
    """A graph was refused (POST /prompt) or a node raised. The fields are what the user would be shown."""

    def __init__(self, node_id: str, node_type: str, exception_type: str, message: str, details: str = "") -> None:
        super().__init__(f"node {node_id} ({node_type}): {exception_type}: {message}\n{details}".rstrip())
        self.node_id, self.node_type = node_id, node_type
        self.exception_type, self.message, self.details = exception_type, message, details


class PromptInterrupted(PromptFailed):
    """The run was cancelled; `node_id` is the node that was running."""


@dataclass(frozen=True)
class Event:
    """One websocket message. `time` is time.monotonic() at arrival; `image` holds the bytes of a preview frame."""

    time: float
    kind: str
    data: dict[str, Any] = field(default_factory=dict)
    image: bytes = b""


class ComfyServer:
    """One server process. Use as a context manager, or call `start` and `stop`.

    tree: a ComfyUI checkout. root: an empty folder for everything that the server writes. packs: folders linked into
    custom_nodes, by name. models: a folder shared between servers (linked as root/models), or None for its own.
    """

    def __init__(
        self,
        tree: Path,
        root: Path,
        packs: dict[str, Path] | None = None,
        models: Path | None = None,
        python: str | None = None,
        argv: Sequence[str] = (),
        device_argv: Sequence[str] = ("--cpu",),
    ) -> None:
        self.tree, self.root = Path(tree), Path(root)
        self.packs = {PACK_FOLDER: REPOSITORY} if packs is None else packs
        self.python = python or os.environ.get("COMFYUI_PYTHON") or sys.executable
        self.argv, self.device_argv = list(argv), list(device_argv)
        self.input, self.output, self.models = (self.root / name for name in ("input", "output", "models"))
        self._shared_models = models
        self._log = self.root / "server.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._listener: _Listener | None = None
        self.client_id = uuid.uuid4().hex
        self.port = 0
        self.startup_seconds = 0.0

    # Life of the process

    def __enter__(self) -> ComfyServer:
        return self.start()

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def start(self, timeout: float = 240) -> ComfyServer:
        """Start the process and return when it answers and its websocket is open."""
        self._lay_out()
        self.port = _free_port()
        command = [self.python, "main.py", *self.device_argv, "--port", str(self.port)]
        command += ["--base-directory", str(self.root), "--database-url", "sqlite:///:memory:"]
        command += ["--disable-auto-launch", "--disable-api-nodes", *self.argv]
        began = time.monotonic()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                cwd=self.tree,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_end_with_parent() if sys.platform == "linux" else None,
            )
        try:
            self._wait_until(self._answers, timeout, "start")
            self._listener = _Listener(f"{self.url}/ws?clientId={self.client_id}")
            self._wait_until(lambda: self._listener.connected.is_set(), 20, "open its websocket")
        except BaseException:
            self.stop()
            raise
        self.startup_seconds = time.monotonic() - began
        return self

    def stop(self) -> None:
        """End the server and whatever it started: terminate, then kill, the whole process group."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        process, self._process = self._process, None
        if process is None:
            return
        for sign, patience in ((signal.SIGTERM, 5), (signal.SIGKILL, 10)):
            try:
                os.killpg(process.pid, sign)
            except ProcessLookupError:
                pass
            try:
                process.wait(patience)
            except subprocess.TimeoutExpired:
                continue

    def _lay_out(self) -> None:
        for folder in (self.input, self.output, self.root / "custom_nodes", self.root / "temp", self.root / "user"):
            folder.mkdir(parents=True, exist_ok=True)
        if self._shared_models is not None and not self.models.exists():
            self.models.symlink_to(self._shared_models, target_is_directory=True)
        self.models.mkdir(exist_ok=True)
        for name, source in self.packs.items():
            link = self.root / "custom_nodes" / name
            if not link.exists():
                link.symlink_to(Path(source).resolve(), target_is_directory=True)

    def _environment(self) -> dict[str, str]:
        env = dict(os.environ, HF_HUB_OFFLINE="1", PYTHONUNBUFFERED="1", NO_COLOR="1")
        env.pop("PYTEST_CURRENT_TEST", None)
        # 0.3.64 serves the folder `templates` of its templates package, which newer releases of that package, the
        # ones that the other server needs, no longer have; it dies at start. An empty one stands in.
        requirements = self.tree / "requirements.txt"
        if re.search(r"^comfyui-workflow-templates==0\.[12]\.", requirements.read_text("utf-8"), re.MULTILINE):
            package = self.root / "python" / "comfyui_workflow_templates"
            (package / "templates").mkdir(parents=True, exist_ok=True)
            (package / "__init__.py").touch()
            env["PYTHONPATH"] = os.pathsep.join(filter(None, (str(package.parent), env.get("PYTHONPATH"))))
        return env

    def _answers(self) -> bool:
        try:
            return "system" in self.get("/system_stats")
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False

    def _wait_until(self, done: Callable[[], Any], timeout: float, what: str, pause: float = 0.05) -> Any:
        """Poll `done` until it returns something true; raise ServerError, with the log, when it cannot any more."""
        deadline = time.monotonic() + timeout
        while not (result := done()):
            if self._process is None or self._process.poll() is not None:
                code = None if self._process is None else self._process.returncode
                raise ServerError(f"{self.tree}: the server exited ({code}); it should {what}.\n{self.log()[-6000:]}")
            if time.monotonic() > deadline:
                raise ServerError(f"{self.tree}: it did not {what} within {timeout} s.\n{self.log()[-6000:]}")
            time.sleep(pause)
        return result

    # HTTP

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str) -> Any:
        """GET a JSON answer."""
        with urllib.request.urlopen(self.url + path, timeout=60) as answer:
            return json.load(answer)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """POST JSON; the answer's JSON, or None when it is empty. Raises urllib.error.HTTPError."""
        request = urllib.request.Request(
            self.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def object_info(self) -> dict[str, Any]:
        """Every node's schema, as the frontend gets it."""
        return self.get("/object_info")

    def upload(self, path: Path, name: str | None = None) -> str:
        """Copy a file into the input folder; returns the name that LoadImage, LoadVideo and others take."""
        name = name or Path(path).name
        shutil.copyfile(path, self.input / name)
        return name

    def model(self, folder: str, name: str) -> Path:
        """Where a model file goes (models/FOLDER/NAME); the folder is made."""
        (self.models / folder).mkdir(parents=True, exist_ok=True)
        return self.models / folder / name

    # Running graphs

    def queue(self, prompt: dict[str, Any]) -> str:
        """Queue an API-format graph; its id. Raises PromptFailed with the first complaint when it is refused."""
        try:
            answer = self.post("/prompt", {"prompt": prompt, "client_id": self.client_id})
        except urllib.error.HTTPError as error:
            raise _refusal(json.loads(error.read()), prompt) from None
        if answer.get("node_errors"):
            # One of several outputs was refused: ComfyUI would run the others. A test wants to know.
            self.post("/queue", {"delete": [answer["prompt_id"]]})
            raise _refusal({"error": {}, "node_errors": answer["node_errors"]}, prompt)
        return answer["prompt_id"]

    def wait(self, prompt_id: str, timeout: float = 300) -> dict[str, Any]:
        """The history entry of a finished run. Raises PromptFailed (a node raised) or PromptInterrupted."""
        history = self._wait_until(lambda: self.get(f"/history/{prompt_id}"), timeout, f"finish {prompt_id}")
        entry = history[prompt_id]
        if entry["status"]["status_str"] != "success":
            raise _failure(entry)
        return entry

    def run(self, prompt: dict[str, Any], timeout: float = 300) -> dict[str, Any]:
        """Queue and wait."""
        return self.wait(self.queue(prompt), timeout)

    def interrupt(self) -> float:
        """What the Cancel button does. Returns the time.monotonic() of the request."""
        now = time.monotonic()
        self.post("/interrupt", {})
        return now

    def queue_idle(self, timeout: float = 60) -> None:
        """Return when nothing runs and nothing waits."""
        self._wait_until(lambda: not any(self.get("/queue").values()), timeout, "become idle", pause=0.02)

    def outputs(self, entry: dict[str, Any]) -> list[Path]:
        """The files that a run saved (output and temp folder), in the order of the history entry."""
        found: list[Path] = []
        for node in entry["outputs"].values():
            items = [item for value in node.values() if isinstance(value, list) for item in value]
            for item in items:
                if isinstance(item, dict) and item.get("type") in ("output", "temp"):
                    found.append(self.root / item["type"] / item.get("subfolder", "") / item["filename"])
        return found

    # What the server said

    def events(self, prompt_id: str | None = None, kind: str | None = None) -> list[Event]:
        """Websocket messages so far, oldest first: of one run, of one kind, or all."""
        events = self._listener.events if self._listener is not None else []
        return [
            event
            for event in list(events)
            if (kind is None or event.kind == kind) and (prompt_id is None or event.data.get("prompt_id") == prompt_id)
        ]

    def wait_event(self, kind: str, prompt_id: str | None = None, timeout: float = 60, count: int = 1) -> Event:
        """The `count`-th message of a kind, for example wait_event("progress", prompt_id) before an interrupt."""

        def nth() -> Event | None:
            events = self.events(prompt_id, kind)
            return events[count - 1] if len(events) >= count else None

        return self._wait_until(nth, timeout, f"send {count} x {kind}", pause=0.005)

    def progress(self, prompt_id: str, node_id: str | None = None) -> list[tuple[int, int]]:
        """(value, maximum) of the progress messages of a run, or of one of its nodes. 0.33 sends at most one in
        100 ms, except the first, the last and those that carry a preview."""
        return [
            (int(event.data["value"]), int(event.data["max"]))
            for event in self.events(prompt_id, "progress")
            if node_id is None or event.data["node"] == node_id
        ]

    def previews(self, prompt_id: str, node_id: str | None = None) -> list[bytes]:
        """Encoded preview frames of a run, or of one of its nodes. ComfyUI's own previewer is off by default (argv
        ["--preview-method", "auto"] starts it); the pack sends pictures of its own."""
        return [
            event.image
            for event in self.events(prompt_id, "preview")
            if node_id is None or event.data.get("node_id") == node_id
        ]

    def log(self) -> str:
        """The server's output so far, without colours."""
        return ANSI.sub("", self._log.read_text("utf-8", errors="replace")) if self._log.exists() else ""

    @property
    def pid(self) -> int:
        return self._process.pid

    def cpu_seconds(self) -> float:
        """Processor time of the server process so far."""
        return sum(psutil.Process(self.pid).cpu_times()[:2])

    def rss_mb(self) -> float:
        """Resident memory of the server process in MiB."""
        return psutil.Process(self.pid).memory_info().rss / 2**20


class _Listener(threading.Thread):
    """Reads the websocket into a list. Asks for previews with metadata, so that each frame names its run and node."""

    def __init__(self, url: str) -> None:
        super().__init__(name="comfy-websocket", daemon=True)
        self.url, self.events = url, []
        self.connected = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._task: asyncio.Task[None] | None = None
        self.start()

    def run(self) -> None:
        try:
            self._task = self._loop.create_task(self._read())
            self._loop.run_until_complete(self._task)
        except asyncio.CancelledError:
            pass
        finally:
            self._loop.close()

    async def _read(self) -> None:
        async with aiohttp.ClientSession() as session:
            async with session.ws_connect(self.url, max_msg_size=0) as socket_:
                await socket_.send_json({"type": "feature_flags", "data": {"supports_preview_metadata": True}})
                self.connected.set()
                async for message in socket_:
                    if message.type == aiohttp.WSMsgType.TEXT:
                        content = message.json()
                        self.events.append(Event(time.monotonic(), content["type"], content.get("data") or {}))
                    elif message.type == aiohttp.WSMsgType.BINARY:
                        self.events.append(_preview(message.data))

    def close(self) -> None:
        if self._task is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._task.cancel)
        self.join(5)


def _preview(message: bytes) -> Event:
    kind, length = struct.unpack(">II", message[:8])
    if kind == PREVIEW_WITH_METADATA:
        return Event(time.monotonic(), "preview", json.loads(message[8 : 8 + length]), message[8 + length :])
    return Event(time.monotonic(), "preview" if kind == PREVIEW_IMAGE else f"binary {kind}", {}, message[8:])


def _end_with_parent() -> Callable[[], object]:
    """Run in the child: the kernel ends the server when the test run is killed and cannot (Linux, PR_SET_PDEATHSIG)."""
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(1, signal.SIGKILL)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _refusal(answer: dict[str, Any], prompt: dict[str, Any]) -> PromptFailed:
    """The first node error of a refused graph, or the error of the graph itself."""
    for node_id, complaint in answer.get("node_errors", {}).items():
        for error in complaint["errors"]:
            return PromptFailed(node_id, complaint["class_type"], error["type"], error["message"], error["details"])
    error = answer["error"]
    node_id = str((error.get("extra_info") or {}).get("node_id", ""))
    node_type = prompt.get(node_id, {}).get("class_type", "")
    return PromptFailed(node_id, node_type, error["type"], error["message"], str(error.get("details", "")))


def _failure(entry: dict[str, Any]) -> PromptFailed:
    messages = dict(entry["status"]["messages"])
    if "execution_interrupted" in messages:
        data = messages["execution_interrupted"]
        return PromptInterrupted(data["node_id"], data["node_type"], "interrupted", "the run was cancelled")
    data = messages["execution_error"]
    trace = "".join(data.get("traceback", []))
    return PromptFailed(
        data["node_id"], data["node_type"], data["exception_type"], data["exception_message"].strip(), trace
    )
