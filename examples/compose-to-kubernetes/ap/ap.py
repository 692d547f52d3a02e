"""AP: GET / stores a visit in MySQL, counts it in Redis, reads both back and answers JSON; GET /live says that the process is up."""
import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pymysql
import redis

ENV = os.environ


def visits():
    """Writes one row and returns how many there are."""
    connection = pymysql.connect(host=ENV["DB_HOST"], user=ENV["DB_USER"], password=ENV["DB_PASSWORD"], database=ENV["DB_NAME"], connect_timeout=5)
    with connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS visit (at TIMESTAMP DEFAULT CURRENT_TIMESTAMP)")
        cursor.execute("INSERT INTO visit VALUES ()")
        connection.commit()
        cursor.execute("SELECT COUNT(*) FROM visit")
        return cursor.fetchone()[0]


def hits():
    """Increments the counter and returns it."""
    store = redis.Redis.from_url(ENV["KVS_URL"], socket_timeout=5, socket_connect_timeout=5)
    return store.incr("hits")


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        try:
            if self.path == "/live":
                code, body = 200, {"live": True}
            elif self.path == "/":
                code, body = 200, {"visits": visits(), "hits": hits()}
            else:
                code, body = 404, {"error": f"no page {self.path}"}
        except Exception as error:  # whatever the stores say is the answer, and stands in the log
            code, body = 503, {"error": f"{type(error).__name__}: {error}"}
            print(body["error"], flush=True)
        raw = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_):
        pass


print("AP listens on 2000", flush=True)
ThreadingHTTPServer(("", 2000), Handler).serve_forever()
