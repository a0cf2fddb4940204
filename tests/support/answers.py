"""An HTTP server that answers as told: what stands at an address that is no MLflow server, or one that fails."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PAGE = b"<!doctype html><html><title>Sign in</title></html>"


@contextmanager
def answering(answers, asked=None):
    """Yield the address of a server.

    Args:
        answers: status, and body or the place that it redirects to, by path; ``*`` for all others.
        asked: a list to which each request's path and headers are added.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            path = self.path.partition("?")[0]
            if asked is not None:
                asked.append((path, dict(self.headers)))
            status, body = answers.get(path) or answers["*"]
            self.send_response(status)
            if status // 100 == 3:
                self.send_header("Location", body)
                body = b""
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - the name that http.server calls

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
