"""Hostile requests: each is answered as it deserves, the server stays well, nothing is written."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_server import API, ApiServer, environment, running

from polargen.api.routes.console import FOLDER

TOKEN = "correct-horse-battery-staple"
JSON = {"Content-Type": "application/json"}
GENERATE, EXPORT, SCENARIOS = f"{API}/generate", f"{API}/export", f"{API}/scenarios"
HEAD = (
    f"POST {GENERATE} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {TOKEN}\r\n"
    "Content-Type: application/json\r\nConnection: close\r\n"
).encode()
DEEP = "[" * 20_000 + "]" * 20_000
HUGE = json.dumps({"scenario": "x" * 1_100_000})
Hostile = tuple[str, str, dict[str, str], str | bytes | None, int, str]


def posted(path: str, document: Any) -> tuple[str, str, dict[str, str], str]:
    return ("POST", path, JSON, document if isinstance(document, str) else json.dumps(document))


def run(config: Any) -> tuple[str, str, dict[str, str], str]:
    return posted(GENERATE, {"scenario": "normal-ops", "config": config})


def got(path: str, **headers: str) -> tuple[str, str, dict[str, str], None]:
    return ("GET", path, {name.replace("_", "-"): text for name, text in headers.items()}, None)


# name: method, path, headers, body, status, kind of the problem; all with the right token
WITH_TOKEN: dict[str, tuple[Any, ...]] = {
    "traversal in a scenario": (*posted(GENERATE, {"scenario": "../../etc/passwd"}), 404,
                                "unknown-scenario"),
    "file as a scenario": (*posted(GENERATE, {"scenario": "/etc/passwd.yaml"}), 404,
                           "unknown-scenario"),
    "relative file as a scenario": (*posted(GENERATE, {"scenario": "scenarios/normal-ops.yaml"}),
                                    404, "unknown-scenario"),
    "traversal in a path": (*got(f"{API}/scenarios/..%2f..%2f..%2fetc%2fpasswd"), 404, None),
    "dots in a path": (*got("/..%2f..%2fetc/passwd"), 404, "not-found"),
    "traversal in a job": (*got(f"{API}/jobs/..%2f..%2fetc/tables"), 404, None),
    "NUL in a path": (*got(f"{API}/scenarios/normal-ops%00.yaml"), 404, "unknown-scenario"),
    "file to extend": (*posted(SCENARIOS, {"name": "mine", "extends": "../../etc/passwd.yaml"}),
                       422, "invalid"),
    "name of a built-in": (*posted(SCENARIOS, {"name": "normal-ops"}), 409, "conflict"),
    "path as a name": (*posted(SCENARIOS, {"name": "../x"}), 422, "invalid"),
    "NUL in a description": (*posted(SCENARIOS, {"name": "mine", "description": "a\0b"}), 422,
                             "invalid"),
    "half a character": (*posted(SCENARIOS, '{"name": "mine", "description": "\\ud800"}'), 422,
                         "invalid"),
    "half a character as a key": (*posted(SCENARIOS, '{"name": "mine", "\\ud800": 1}'), 422,
                                  "invalid"),
    "nested scenario": (*posted(SCENARIOS, '{"name": "mine", "overrides": ' + '{"a":' * 60 + "1"
                                + "}" * 61), 422, "invalid"),
    "huge body": (*posted(GENERATE, HUGE), 413, "too-large"),
    "huge query": (*got(f"{API}/status?jobId={'a' * 5000}"), 414, "long-address"),
    "huge path": (*got("/" + "a" * 3000), 414, "long-address"),
    "bad JSON": (*posted(GENERATE, '{"scenario": '), 400, "bad-request"),
    "JSON in another charset": ("POST", GENERATE, JSON, '{"scenario": "\u00e9"}'.encode("latin-1"),
                                400, "bad-request"),
    "no JSON": (*posted(GENERATE, "scenario=normal-ops"), 400, "bad-request"),
    "deep JSON": (*posted(GENERATE, DEEP), 400, None),
    "endless number": (*posted(GENERATE, '{"config": {"seed": ' + "9" * 5000 + "}}"), 400, None),
    "list for an object": (*posted(GENERATE, [1]), 422, "invalid"),
    "null for an object": (*posted(GENERATE, "null"), 422, "invalid"),
    "form for JSON": ("POST", GENERATE, {"Content-Type": "application/x-www-form-urlencoded"},
                      "scenario=normal-ops", 415, "media-type"),
    "text for JSON": ("POST", GENERATE, {"Content-Type": "text/plain"}, "{}", 415, "media-type"),
    "body without a type": ("POST", GENERATE, {"Content-Type": ""}, "{}", 415, "media-type"),
    "no body": ("POST", GENERATE, {}, None, 422, "invalid"),
    "unknown key": (*run({"outDir": "/etc"}), 422, "invalid"),
    "folder to write to": (*run({"out": "/etc"}), 422, "invalid"),
    "not a number": (*run({"volumeMultiplier": "NaN"}), 422, "invalid"),
    "NaN": (*posted(GENERATE, '{"config": {"volumeMultiplier": NaN}}'), 422, "invalid"),
    "infinity": (*posted(GENERATE, '{"config": {"volumeMultiplier": 1e999}}'), 422, "invalid"),
    "negative seed": (*run({"seed": -1}), 422, "invalid"),
    "seed beyond 63 bits": (*run({"seed": 2**63}), 422, "invalid"),
    "impossible day": (*run({"startDate": "2024-02-30"}), 422, "invalid"),
    "end before start": (*run({"startDate": "2024-02-01", "endDate": "2024-01-01"}), 422,
                         "invalid"),
    "more than a planet": (*run({"startDate": "1991-01-01", "endDate": "2050-01-01",
                                 "volumeMultiplier": 10_000}), 422, "limit"),
    "SQL in a scenario": (*posted(GENERATE, {"scenario": "x'; DROP TABLE users; --"}), 404,
                          "unknown-scenario"),
    "SQL in an id": (*got(f"{API}/status?jobId=x'%20OR%20'1'='1"), 404, "unknown-job"),
    "SQL in a table": (*got(f"{API}/jobs/job-00000000/rows?table=orders;DROP%20TABLE%20x"), 404,
                       "unknown-job"),
    "SQL in an entity": (*posted(EXPORT, {"format": "csv", "entities": ["orders; DROP"]}), None,
                         None),
    "unknown format": (*posted(EXPORT, {"format": "../csv"}), 422, "invalid"),
    "half a character as an id": (*posted(f"{API}/cancel", '{"jobId": "\\ud800"}'), 422,
                                  "invalid"),
    "cleanup without the word": ("DELETE", f"{API}/cleanup", {}, None, 400, "not-confirmed"),
    "cleanup with a wrong word": ("DELETE", f"{API}/cleanup?confirm=yes", {}, None, 400,
                                  "not-confirmed"),
    "foreign origin": (*got(f"{API}/config", Origin="https://evil.example"), 403,
                       "foreign-origin"),
    "origin of a file": (*got(f"{API}/config", Origin="null"), 403, "foreign-origin"),
    "origin like ours": (*got(f"{API}/config", Origin="http://127.0.0.1.evil.example"), 403,
                         "foreign-origin"),
    "other site without origin": (*got(f"{API}/config", Sec_Fetch_Site="cross-site"), 403,
                                  "foreign-origin"),
    "preflight of a foreign page": ("OPTIONS", GENERATE,
                                    {"Origin": "https://evil.example",
                                     "Access-Control-Request-Method": "POST"}, None, 403,
                                    "foreign-origin"),
    "name of another host": (*got(f"{API}/config", Host="evil.example"), 400, "unknown-host"),
    "host like ours": (*got(f"{API}/config", Host="127.0.0.1.evil.example"), 400, "unknown-host"),
    "address of another host": (*got(f"{API}/config", Host="169.254.169.254"), 400,
                                "unknown-host"),
    "unknown method": ("TRACE", f"{API}/config", {}, None, 405, "wrong-method"),
    "wrong method": ("DELETE", GENERATE, {}, None, 405, "wrong-method"),
    "key with a line break": ("POST", GENERATE, {**JSON, "Idempotency-Key": "x" * 300}, "{}", 422,
                              "invalid"),
    "last id of another kind": (*got(f"{API}/events?jobId=job-00000000", Last_Event_ID="'; DROP"),
                                404, "unknown-job"),
}  # fmt: skip
# name: method, path, value of Authorization; all are answered 401
WITHOUT_TOKEN: dict[str, tuple[str, str, str | None]] = {
    "no token": ("GET", f"{API}/config", None),
    "wrong token": ("GET", f"{API}/config", f"Bearer {TOKEN}x"),
    "half of the token": ("GET", f"{API}/config", f"Bearer {TOKEN[:8]}"),
    "another scheme": ("GET", f"{API}/config", f"Basic {TOKEN}"),
    "bare token": ("GET", f"{API}/config", TOKEN),
    "bytes": ("GET", f"{API}/config", "Bearer \xe9\xff"),
    "a job": ("POST", GENERATE, None),
    "cleanup": ("DELETE", f"{API}/cleanup?confirm=DELETE_ALL_MOCK_DATA", None),
    "metrics": ("GET", "/metrics", None),
    "document": ("GET", "/openapi.json", None),
    "health with a slash": ("GET", "/healthz/", None),
    "health by another spelling": ("GET", "//healthz", None),
    "what is not there": ("GET", f"{API}/nothing", None),
}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    with running(tmp_path_factory.mktemp("guarded"), token=TOKEN) as server:
        yield server


@pytest.fixture(scope="module", autouse=True)
def slow(guarded: ApiServer) -> Iterator[list[socket.socket]]:
    """Connections that send no more than the begin of a request; the other tests go on."""
    sent = [b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n", HEAD + b"Content-Length: 100\r\n\r\n{"]
    connections = [socket.create_connection(guarded.address, timeout=30) for _ in sent]
    for connection, piece in zip(connections, sent, strict=True):
        connection.sendall(piece)
    yield connections
    for connection in connections:
        connection.close()


def files(server: ApiServer) -> set[str]:
    """Return what lies in the state folder, and in the folders that requests name."""
    return {str(path) for path in server.home.rglob("*") if not path.name.startswith("jobs.sqlite")}


def check_problem(answer: httpx.Response, status: int | None, kind: str | None) -> None:
    assert status is None or answer.status_code == status, answer.text
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    problem = answer.json()
    assert problem["status"] == answer.status_code
    assert problem["detail"]
    assert kind is None or problem["type"] == f"urn:polargen:problem:{kind}", problem
    for error in problem.get("errors") or ():
        assert set(error) == {"path", "message"}


@pytest.mark.parametrize("name", WITH_TOKEN)
def test_hostile_request__is_refused(name: str, guarded: ApiServer) -> None:
    method, path, headers, body, status, kind = WITH_TOKEN[name]
    before = files(guarded)
    request = guarded.client.build_request(method, path, headers=headers, content=body)
    if request.headers.get("content-type") == "":
        del request.headers["content-type"]
    check_problem(guarded.client.send(request), status, kind)
    assert guarded.client.get("/healthz").json()["status"] == "ok"
    assert files(guarded) == before
    assert guarded.get("/jobs").json() == {"jobs": []}


@pytest.mark.parametrize("name", WITHOUT_TOKEN)
def test_without_the_token__nothing_is_said(name: str, guarded: ApiServer) -> None:
    method, path, value = WITHOUT_TOKEN[name]
    headers = {} if value is None else {"Authorization": value.encode("latin-1")}
    answer = httpx.request(method, guarded.url + path, headers=headers)  # type: ignore[arg-type]
    check_problem(answer, 401, "token")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert TOKEN not in answer.text


def test_hostile_requests__are_fifty_and_more() -> None:
    assert len(WITH_TOKEN) + len(WITHOUT_TOKEN) >= 50


def test_health__needs_no_token(guarded: ApiServer) -> None:
    answer = httpx.get(f"{guarded.url}/healthz")
    assert answer.status_code == 200
    assert answer.json()["status"] == "ok"


def test_console__needs_no_token_and_shows_its_files_only(guarded: ApiServer) -> None:
    assert httpx.get(guarded.url).headers["content-type"].startswith("text/html")
    files = [path for path in FOLDER.rglob("*") if path.suffix in (".js", ".css", ".svg")]
    assert files
    for path in files:
        answer = httpx.get(f"{guarded.url}/{path.relative_to(FOLDER).as_posix()}")
        assert answer.content == path.read_bytes(), path
        assert "default-src 'none'" in answer.headers["content-security-policy"]
    for path in ("/index.htm", "/js/", "/js/../index.html/", "/__init__.py", "/../app.py"):
        check_problem(httpx.get(guarded.url + path), 401, "token")
    assert guarded.client.post("/").status_code == 405


def test_every_answer__has_the_headers_that_protect(guarded: ApiServer) -> None:
    for path in ("/healthz", f"{API}/config", f"{API}/nothing"):
        headers = guarded.client.get(path).headers
        policy = dict(
            part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";")
        )
        assert policy["default-src"] == policy["frame-ancestors"] == "'none'"
        assert "unsafe" not in policy["script-src"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert "access-control-allow-origin" not in headers


def test_own_page__may_call(guarded: ApiServer) -> None:
    host, port = guarded.address
    for origin in (f"http://{host}:{port}", f"https://{host}:{port}"):
        assert guarded.get("/config", headers={"Origin": origin}).status_code == 200
    named = {"Host": f"localhost:{port}", "Origin": f"http://localhost:{port}"}
    assert guarded.get("/config", headers=named).status_code == 200


def raw(server: ApiServer, *pieces: bytes, wait_s: float = 30.0) -> bytes:
    """Send bytes as they are; return all that comes until the server closes."""
    with socket.create_connection(server.address, timeout=wait_s) as connection:
        for piece in pieces:
            connection.sendall(piece)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    return received


def test_chunked_body__is_counted(guarded: ApiServer) -> None:
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    with socket.create_connection(guarded.address, timeout=30) as connection:
        connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        try:
            for _ in range(64):
                connection.sendall(chunk)
            connection.sendall(b"0\r\n\r\n")
        except OSError:
            pass  # it has closed the connection already
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_announced_size__is_believed_at_once(guarded: ApiServer) -> None:
    answer = raw(guarded, HEAD + b"Content-Length: 99999999999999999999\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    "request_line",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /\r\n\x00\x01\r\n\r\n",
        HEAD + b"X: " + b"a" * 17_000 + b"\r\n\r\n",
        HEAD + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
    ids=["no host", "two hosts", "no HTTP", "long header", "two lengths"],
)
def test_what_is_no_http__is_refused(request_line: bytes, guarded: ApiServer) -> None:
    answer = raw(guarded, request_line)
    assert answer[:10] == b"HTTP/1.1 4", answer
    assert guarded.client.get("/healthz").status_code == 200


def test_other_pages__may_call_if_they_are_listed(tmp_path: Path) -> None:
    more = {"POLARGEN_API_ORIGINS": "https://erp.example", "POLARGEN_API_HOSTS": "mock.example"}
    with running(tmp_path, token=TOKEN, more=more) as server:
        origin = {"Origin": "https://erp.example"}
        answer = server.get("/config", headers=origin)
        assert answer.headers["access-control-allow-origin"] == "https://erp.example"
        asked = {"Access-Control-Request-Method": "POST",
                 "Access-Control-Request-Headers": "authorization,content-type"}  # fmt: skip
        before = httpx.options(server.url + GENERATE, headers={**origin, **asked})
        assert before.status_code == 200
        assert "authorization" in before.headers["access-control-allow-headers"].lower()
        assert server.get("/config", headers={"Host": "mock.example"}).status_code == 200
        foreign = server.get("/config", headers={"Origin": "https://erp.example.evil.example"})
        check_problem(foreign, 403, "foreign-origin")


def serve(tmp_path: Path, *options: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "polargen", "serve", *options],
        env=environment(tmp_path, more),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com"])
def test_other_addresses__need_a_token(host: str, tmp_path: Path) -> None:
    done = serve(tmp_path, "--host", host)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert host in line
    assert "POLARGEN_API_TOKEN" in line


@pytest.mark.parametrize("token", ["short", "with a space in it", "n\u00e9cessairement-long"])
def test_token__must_be_one(token: str, tmp_path: Path) -> None:
    done = serve(tmp_path, POLARGEN_API_TOKEN=token)
    assert done.returncode == 2
    assert token not in done.stderr
    assert "POLARGEN_API_TOKEN" in done.stderr


def test_settings__are_checked(tmp_path: Path) -> None:
    done = serve(tmp_path, "--port", "70000", "--queue", "many", POLARGEN_API_RUNNING="0")
    assert done.returncode == 2
    said = done.stderr.splitlines()
    assert [line.split(":")[1].strip() for line in said] == [
        "--port", "--queue", "POLARGEN_API_RUNNING",
    ]  # fmt: skip


def test_port_in_use__is_said_in_a_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = serve(tmp_path, "--port", str(port))
    assert done.returncode == 4
    assert len(done.stderr.splitlines()) == 1
    assert str(port) in done.stderr


def test_extra__that_is_missing_is_named(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['fastapi'] = None; from polargen.cli import main; "
        "sys.exit(main(['serve']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(tmp_path), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "pip install 'polargen[api]'" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_other_servers__can_run_the_app(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "--factory", "polargen.api:create_app"]
    process = subprocess.Popen(
        [*command, "--port", str(port)],
        env=environment(tmp_path),
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "running on" in line:
            break
    assert httpx.get(f"http://127.0.0.1:{port}{API}/config").status_code == 200
    process.terminate()
    process.communicate(timeout=30)


def test_slow_clients__are_given_up(slow: list[socket.socket], guarded: ApiServer) -> None:
    assert guarded.client.get("/healthz").status_code == 200
    headers, body = (connection.recv(65536) for connection in slow)
    assert headers == b""
    assert body.startswith(b"HTTP/1.1 408 ")


def test_after_all_of_it__no_defect_was_logged(guarded: ApiServer) -> None:
    assert "Traceback" not in guarded.logged()
