#!/usr/bin/env python3
"""registry.py - an image registry for the end-to-end run: one OCI archive under every name, read-only.

registry.py PORT ARCHIVE [USER:PASSWORD]      with a user, whoever does not name him gets 401
"""
import base64
import http.server
import json
import sys
import tarfile
import threading


def main():
    port, archive, user = int(sys.argv[1]), tarfile.open(sys.argv[2]), (sys.argv[3:] or [None])[0]
    blobs = {m.name.replace("blobs/sha256/", "sha256:"): m for m in archive.getmembers() if m.name.startswith("blobs/")}
    index = json.load(archive.extractfile("index.json"))
    manifest = index["manifests"][0]
    reading = threading.Lock()
    wanted = user and "Basic " + base64.b64encode(user.encode()).decode()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self, status, body=b"", **headers):
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def do_GET(self):
            if wanted and self.headers.get("Authorization") != wanted:
                return self.answer(401, WWW_Authenticate='Basic realm="test"')
            parts = self.path.split("?")[0].split("/")
            what, reference = parts[-2:] if len(parts) > 3 else ("", "")
            digest = manifest["digest"] if what == "manifests" and ":" not in reference else reference
            if self.path == "/v2/":
                return self.answer(200)
            if digest not in blobs or (what == "manifests" and reference == "absent"):
                return self.answer(404)
            kind = manifest["mediaType"] if what == "manifests" else "application/octet-stream"
            with reading:
                body = archive.extractfile(blobs[digest]).read()
            return self.answer(200, body, Content_Type=kind, Docker_Content_Digest=digest)

        do_HEAD = do_GET

        def log_message(self, *args):
            pass

    http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


main()
