"""WEB: passes every request on to AP; GET /live says that the process is up."""
import os
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/live":
            code, raw = 200, b"up\n"
        else:
            try:
                with urllib.request.urlopen(os.environ["AP_URL"] + self.path, timeout=15) as answer:
                    code, raw = answer.status, answer.read()
            except urllib.error.HTTPError as error:
                code, raw = error.code, error.read()
            except OSError as error:
                code, raw = 502, f"{type(error).__name__}: {error}\n".encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_):
        pass


print("WEB listens on 3000", flush=True)
ThreadingHTTPServer(("", 3000), Handler).serve_forever()
