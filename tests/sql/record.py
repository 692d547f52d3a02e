"""What a real client of MySQL sends for a file, byte for byte: a relay before a real server writes down each COM_QUERY and COM_INIT_DB.

    record.py SERVER:PORT PORT FOLDER

Each client that connects to PORT without TLS leaves in FOLDER/NUMBER.json, numbered from 1, a list of ["query" | "use", bytes in hexadecimal]. Questions that
clients ask on their own account (`select @@version_comment`, `SELECT DATABASE()`) are left out. `judge` runs the clients.
"""
import json, os, socket, sys, threading

OWN = (b"select $$", b"select @@version_comment limit 1", b"SELECT DATABASE()", b"select DATABASE(), USER() limit 1", b"select @@character_set_client, @@character_set_connection, @@character_set_server, @@character_set_database limit 1")
QUERY_ATTRIBUTES = 1 << 27


def pump(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        pass
    try:
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def whole(source, length):
    data = b""
    while len(data) < length:
        more = source.recv(length - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def serve(client, server, out):
    """Reads the client's packets one by one; the server's answers pass as they are."""
    threading.Thread(target=pump, args=(server, client), daemon=True).start()
    capabilities, sent, payload = None, [], b""
    try:
        while True:
            head = whole(client, 4)
            length = int.from_bytes(head[:3], "little")
            body = whole(client, length)
            if capabilities is None:
                capabilities = int.from_bytes(body[:4], "little")
            elif head[3] == 0 or payload:
                payload += body
                if length < 0xFFFFFF:
                    note(payload, capabilities, sent)
                    payload = b""
            server.sendall(head + body)
    except (EOFError, OSError):
        pass
    with open(out + ".part", "w") as file:
        json.dump(sent, file)
    os.rename(out + ".part", out)
    try:
        server.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def note(payload, capabilities, sent):
    kind, text = payload[0], payload[1:]
    if kind == 3:
        if capabilities & QUERY_ATTRIBUTES:
            assert text[:2] == b"\0\1", text[:10]
            text = text[2:]
        if text not in OWN:
            sent.append(["query", text.hex()])
    elif kind == 2:
        sent.append(["use", text.hex()])


def main():
    address, port, folder = sys.argv[1:]
    listener = socket.create_server(("", int(port)))
    number = 0
    while True:
        client, _ = listener.accept()
        number += 1
        server = socket.create_connection(address.rsplit(":", 1))
        threading.Thread(target=serve, args=(client, server, f"{folder}/{number}.json"), daemon=True).start()


main()
