"""``python -m benchmarks.gateway.backend``: a server that answers at once, in a process of its own. Prints its port."""

import asyncio
import subprocess
import sys

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-type: application/json\r\n\r\n{}"


def backend() -> "tuple[subprocess.Popen[str], int]":
    """Started: end it with ``terminate``."""
    started = subprocess.Popen([sys.executable, "-m", __name__], stdout=subprocess.PIPE, text=True)
    assert started.stdout
    return started, int(started.stdout.readline())


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection, until it is closed."""
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.partition(b"content-length: ")[2].partition(b"\r")[0] or 0)
            await reader.readexactly(length)
            writer.write(ANSWER)
    except (OSError, asyncio.IncompleteReadError):
        writer.close()


async def main() -> None:
    """Until it is killed."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
