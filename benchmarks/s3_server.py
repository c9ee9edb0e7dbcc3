"""A real S3 server on loopback (moto's), which can be told to fail or be slow; for tests and ``benchmarks.chaos``."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class S3Server:
    """The server's faults, and what it was asked.

    Attributes:
        answers: each request takes the next of them in place of the server's own; 200 is the server's own.
        applied_first: whether a request that is answered so is carried out all the same.
        delay_s: by which every answer is late.
        seen: method and path of every request.
        environment: variables by which a process finds it.
    """

    def __init__(self) -> None:
        self.answers: list[int] = []
        self.applied_first = False
        self.delay_s = 0.0
        self.seen: list[tuple[str, str]] = []
        self.environment: dict[str, str] = {}

    def calm(self) -> None:
        """Answer as it should."""
        self.answers.clear()
        self.seen.clear()
        self.applied_first, self.delay_s = False, 0.0


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """Serve in a thread while the block runs; all is kept in memory.

    Clients of this process that s3fs keeps would go on asking the server for which they were made.
    """
    from moto.server import DomainDispatcherApplication, create_backend_app
    from s3fs import S3FileSystem
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        def log_request(self, *_: Any) -> None:
            """Print no line for every request."""

    server, application = S3Server(), DomainDispatcherApplication(create_backend_app)

    def serve(environment: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        server.seen.append((environment["REQUEST_METHOD"], environment["PATH_INFO"]))
        time.sleep(server.delay_s)
        try:
            answer = server.answers.pop(0)
        except IndexError:
            answer = 200
        if answer == 200:
            return application(environment, start_response)
        if server.applied_first:
            list(application(environment, lambda *_: None))
        start_response(f"{answer} as told", [("Content-Length", "0")])
        return [b""]

    http = make_server("127.0.0.1", 0, serve, threaded=True, request_handler=Quiet)
    server.environment = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{http.server_port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "of-no-server-at-all",  # no text may hold it: secrets are hidden
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_MAX_ATTEMPTS": "1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    before = dict(os.environ)
    os.environ.update(server.environment)
    S3FileSystem.clear_instance_cache()
    try:
        yield server
    finally:
        S3FileSystem.clear_instance_cache()
        http.shutdown()
        thread.join()
        http.server_close()
        os.environ.clear()
        os.environ.update(before)
