"""Serves the page, with the headers that threads in browsers need.

    python deploy/browser/serve.py            # http://localhost:8000
    python deploy/browser/serve.py --port 9000 --host 0.0.0.0

Any server of files will do: without these headers the page runs on one thread.
"""

import argparse
import functools
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

FOLDER = Path(__file__).parent
HEADERS = {
    # Both together isolate the page, which browsers ask for before they share memory.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cache-Control": "no-cache",  # files that were changed are asked for again
}


class Handler(SimpleHTTPRequestHandler):
    """Files with their headers."""

    # Said here, since some systems' tables call scripts plain text.
    extensions_map = SimpleHTTPRequestHandler.extensions_map | {
        ".js": "text/javascript",
        ".wasm": "application/wasm",
    }

    def end_headers(self) -> None:
        """Add what every answer carries."""
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing of each file."""


def make_server(
    host: str = "127.0.0.1", port: int = 8000, folder: str | Path = FOLDER
) -> ThreadingHTTPServer:
    """A server of the page; port 0: one that is free."""
    handler = functools.partial(Handler, directory=str(folder))
    return ThreadingHTTPServer((host, port), handler)


def main() -> None:
    """Serve until the program is interrupted."""
    parser = argparse.ArgumentParser(description="Serves HRNet's page for browsers.")
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0: the network too")
    parser.add_argument("--port", type=int, default=8000)
    arguments = parser.parse_args()
    if not (FOLDER / "vendor").is_dir():
        parser.error("LiteRT.js is not here yet; run `make browser` first.")
    with make_server(arguments.host, arguments.port) as server:
        print(f"http://localhost:{server.server_port} (Ctrl+C ends it)", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()


if __name__ == "__main__":
    main()
