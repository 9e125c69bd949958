"""``python -m benchmarks.gateway.python_proxies KIND PORT BACKEND``: proxies as one writes them in Python.

``aiohttp`` is its server and its client; ``starlette`` is Starlette and httpx on uvicorn. Both hand a request on and
give the answer back, keep connections, and do nothing else.
"""

import sys


def with_aiohttp(port: int, backend: str) -> None:
    """Until it is killed."""
    from aiohttp import ClientSession, TCPConnector, web

    async def start() -> web.Application:
        session = ClientSession(connector=TCPConnector(limit=0))

        async def hand_on(request: web.Request) -> web.Response:
            body = await request.read()
            async with session.post(f"{backend}{request.path}", data=body, headers=_passed(request.headers)) as answer:
                return web.Response(body=await answer.read(), status=answer.status, content_type=answer.content_type)

        application = web.Application()
        application.router.add_post("/{path:.*}", hand_on)
        return application

    web.run_app(start(), host="127.0.0.1", port=port, print=None, access_log=None)


def with_starlette(port: int, backend: str) -> None:
    """Until it is killed."""
    import httpx
    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    client = httpx.AsyncClient(base_url=backend, limits=httpx.Limits(max_connections=None))

    async def hand_on(request: Request) -> Response:
        answer = await client.post(request.url.path, content=await request.body(), headers=_passed(request.headers))
        return Response(answer.content, answer.status_code, media_type=answer.headers.get("content-type"))

    application = Starlette(routes=[Route("/{path:path}", hand_on, methods=["POST"])])
    uvicorn.run(application, host="127.0.0.1", port=port, log_level="error", access_log=False)


def _passed(headers: object) -> dict[str, str]:
    kept = ("content-type", "x-user-id", "x-api-key")
    return {name: value for name, value in dict(headers).items() if name.lower() in kept}  # type: ignore[call-overload]


if __name__ == "__main__":
    {"aiohttp": with_aiohttp, "starlette": with_starlette}[sys.argv[1]](int(sys.argv[2]), sys.argv[3])
