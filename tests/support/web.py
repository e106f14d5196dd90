"""A web server on this machine, for data that lie elsewhere."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server:
    """A web server that is told what to answer.

    Attributes:
        files: content by path.
        refused: status by path.
        short: paths of which the last byte is left out.
        fetched: what was asked for with GET.
        tags: whether it tells a tag.
    """

    def __init__(self):
        self.files, self.refused, self.short = {}, {}, set()
        self.fetched, self.tags = [], True
        own = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self, whole=True):
                if whole:
                    own.fetched.append(self.path)
                content = own.files.get(self.path)
                status = own.refused.get(self.path, 200 if content else 404)
                self.send_response(status)
                body = content if status == 200 else b""
                self.send_header("Content-Length", str(len(body)))
                if own.tags:
                    self.send_header("ETag", f'"{hash(body)}"')
                self.end_headers()
                if whole:
                    self.wfile.write(body[: -1 if self.path in own.short else None])

            def do_HEAD(self):
                self.do_GET(whole=False)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        serve = self.server.serve_forever
        threading.Thread(target=serve, args=(0.01,), daemon=True).start()

    def close(self):
        """Answer nobody from here on."""
        self.server.shutdown()
        self.server.server_close()
