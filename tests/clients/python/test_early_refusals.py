"""An answer that comes before the body has been sent is an answer, and not a broken connection."""

import asyncio
import io

import aiohttp
import pytest
import requests

DEADLINE = 15
MIB = 1024 * 1024
REFUSED = [
    ("POST", "/api/chat/rooms", "application/json", 401),
    ("POST", "/api/chat/upload", "multipart/form-data; boundary=x", 401),
    ("POST", "/nowhere", "application/json", 404),
    ("POST", "/healthz", "application/json", 405),
]


def pieces(size):
    for _ in range(0, size, 16 * 1024):
        yield b"x" * 16 * 1024


@pytest.mark.parametrize("method, path, kind, status", REFUSED)
@pytest.mark.parametrize("size", [1024, 64 * 1024, 4 * MIB])
def test_requests_sees_the_status(server, method, path, kind, status, size):
    with requests.Session() as session:
        for body in (b"x" * size, io.BytesIO(b"x" * size), pieces(size)):
            headers = {"content-type": kind}
            answer = session.request(method, server.url + path, data=body, headers=headers, timeout=DEADLINE)
            assert answer.status_code == status


@pytest.mark.parametrize("method, path, kind, status", REFUSED)
@pytest.mark.parametrize("size", [1024, 64 * 1024, 4 * MIB])
def test_aiohttp_sees_the_status(server, method, path, kind, status, size):
    async def ask():
        async def stream():
            for piece in pieces(size):
                yield piece

        timeout = aiohttp.ClientTimeout(total=DEADLINE)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            for number in range(6):
                body = b"x" * size if number % 2 else stream()
                async with session.request(
                    method, server.url + path, data=body, headers={"content-type": kind}, expect100=number == 5
                ) as answer:
                    await answer.read()
                    assert answer.status == status, number

    asyncio.run(ask())
