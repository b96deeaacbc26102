"""Downloads: fetched once, checked by hash, never left half done."""

from __future__ import annotations

import gzip
import hashlib
import subprocess
import sys
import tarfile
import time
import zipfile
from io import BytesIO

import pytest

from w2s_tutorial.datasets.downloads import File, fetch, read

CONTENT = bytes(range(256)) * 4000
SHA256 = "sha256:" + hashlib.sha256(CONTENT).hexdigest()


def leftovers(data):
    return [path for path in data.rglob("*") if path.is_file()]


def packed(files: dict[str, bytes]) -> bytes:
    """A tar.gz."""
    body = BytesIO()
    with tarfile.open(fileobj=body, mode="w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, BytesIO(content))
    return body.getvalue()


def test_a_file_is_fetched_once_and_then_found(web, data):
    file = File("set/file", (web.offer("/file", CONTENT),), SHA256)
    path = fetch(file, quiet=True)
    assert path == data / "set/file"
    assert path.read_bytes() == CONTENT
    assert fetch(file, quiet=True) == path
    assert web.requested == ["/file"]
    assert leftovers(data) == [path]


@pytest.mark.parametrize("level", [1, 9])
def test_the_hash_is_of_the_content_whatever_the_compressor_did(web, data, level):
    zipped = gzip.compress(CONTENT, level)
    path = fetch(File("file", (web.offer("/file.gz", zipped),), SHA256), quiet=True)
    assert path == data / "file.gz"
    assert path.read_bytes() == zipped
    assert read(path) == CONTENT


def test_a_file_that_the_server_unzipped_on_the_way_is_read_all_the_same(web, data):
    path = fetch(File("file", (web.offer("/file.gz", CONTENT),), SHA256), quiet=True)
    assert read(path) == CONTENT


@pytest.mark.parametrize("name", ["file", "file.gz"])
def test_a_file_already_there_is_used_in_place(web, data, name):
    data.mkdir()
    body = gzip.compress(CONTENT) if name.endswith("gz") else CONTENT
    (data / name).write_bytes(body)
    assert fetch(File("file", (web.offer("/file", CONTENT),), SHA256)) == data / name
    assert web.requested == []


def test_a_damaged_file_is_fetched_again(web, data):
    data.mkdir()
    (data / "file.gz").write_bytes(gzip.compress(CONTENT)[:-100])
    path = fetch(File("file", (web.offer("/file.gz", gzip.compress(CONTENT)),), SHA256), quiet=True)
    assert read(path) == CONTENT
    assert leftovers(data) == [path]


def test_a_truncated_body_is_refused(web, data):
    url = web.offer("/file", CONTENT[:5000], announced=len(CONTENT))
    with pytest.raises(OSError, match=r"file could not be downloaded\n  http.*/file: .*5000 bytes"):
        fetch(File("file", (url,)), quiet=True)  # no hash: the announced length alone tells
    assert leftovers(data) == []


def test_a_wrong_content_is_refused_and_both_hashes_are_named(web, data):
    other = hashlib.sha256(b"other").hexdigest()
    with pytest.raises(OSError, match=f"/file: content is sha256:{other}, expected {SHA256}"):
        fetch(File("file", (web.offer("/file", b"other"),), SHA256), quiet=True)
    assert leftovers(data) == []


def test_mirrors_are_tried_in_order(web, data):
    wrong, right = web.offer("/wrong", b"other"), web.offer("/right", CONTENT)
    file = File("file", (web.address + "/missing", wrong, right), SHA256)
    assert read(fetch(file, quiet=True)) == CONTENT
    assert web.requested == ["/missing", "/wrong", "/right"]


def test_if_all_mirrors_fail_each_is_accounted_for(web, data):
    file = File("file", (web.address + "/missing", web.offer("/wrong", b"other")), SHA256)
    with pytest.raises(OSError, match=r"(?s)/missing: 404 .*Not Found.*/wrong: content is sha256"):
        fetch(file, quiet=True)


def test_a_server_that_stalls_is_given_up(web, data):
    file = File("file", (web.stall("/file", CONTENT),), SHA256)
    with pytest.raises(OSError, match="Read timed out"):
        fetch(file, quiet=True, timeout=0.3)
    assert leftovers(data) == []


def test_a_server_that_says_nothing_is_given_up_after_the_given_time(web, data):
    web.answers["/file"] = lambda handler: web.released.wait()
    with pytest.raises(OSError, match=r"read timeout=0\.2"):
        fetch(File("file", (web.address + "/file",), SHA256), quiet=True, timeout=0.2)


def test_a_server_that_is_not_there_is_an_error_not_a_hang(data):
    with pytest.raises(OSError, match="file could not be downloaded"):
        fetch(File("file", ("http://127.0.0.1:9/file",), SHA256), quiet=True, timeout=2)


def test_a_download_killed_half_way_leaves_nothing_that_passes(web, data):
    url = web.stall("/file", CONTENT)
    code = f"""from w2s_tutorial.datasets.downloads import File, fetch
fetch(File("set/file", ({url!r},)), quiet=True, timeout=60)"""
    process = subprocess.Popen([sys.executable, "-c", code])
    half = None
    for _ in range(600):
        half = half or next((path for path in leftovers(data) if path.stat().st_size > 0), None)
        time.sleep(0.0 if half else 0.1)
    process.kill()
    assert process.wait() != 0
    assert half is not None
    assert half.parent.name.startswith(".partial-")
    assert not (data / "set/file").exists()

    web.offer("/file", CONTENT)
    file = File("set/file", (url,))  # no hash: a half file would be taken for the whole
    assert fetch(file, quiet=True).read_bytes() == CONTENT


def test_a_page_in_the_place_of_an_archive_goes_to_the_next_mirror(web, data):
    page = web.offer("/sign-in", b"<html>please sign in</html>")
    body = packed({"a.txt": CONTENT})
    file = File("set.tar.gz", (page, web.offer("/good", body)))  # no hash is known
    assert fetch(file, quiet=True).read_bytes() == body
    assert web.requested == ["/sign-in", "/good"]
    with pytest.raises(OSError, match="/sign-in: this is no archive"):
        fetch(File("other.zip", (page,)), quiet=True)
    assert leftovers(data) == [data / "set.tar.gz"]


def test_a_page_that_an_earlier_run_left_is_not_believed(web, data):
    data.mkdir()
    (data / "set.tar.gz").write_bytes(b"<html>please sign in</html>")
    body = packed({"a.txt": CONTENT})
    file = File("set.tar.gz", (web.offer("/good", body),))
    assert fetch(file, quiet=True).read_bytes() == body


def test_the_hash_of_an_archive_is_of_the_archive(web, data):
    body = packed({"a.txt": CONTENT})
    own, inner = (hashlib.sha256(b).hexdigest() for b in (body, gzip.decompress(body)))
    url = web.offer("/set.tar.gz", body)
    assert fetch(File("set.tar.gz", (url,), f"sha256:{own}"), quiet=True).read_bytes() == body
    with pytest.raises(OSError, match=f"content is sha256:{own}, expected sha256:{inner}"):
        fetch(File("again.tar.gz", (url,), f"sha256:{inner}"), quiet=True)


@pytest.mark.parametrize("announced", [None, 0])
def test_a_server_that_sends_far_more_than_stated_is_cut_off(web, data, announced):
    def flood(handler):
        handler.send_response(200)
        handler.end_headers()
        for _ in range(60_000):
            handler.wfile.write(bytes(1000))
            sent[0] += 1000

    sent = [0]
    web.answers["/file"] = flood
    url = web.address + "/file"
    if announced is None:  # the length is told, and given up on at once
        url = web.offer("/file", bytes(1_000_000))
    with pytest.raises(OSError, match="sends more than 66536 bytes"):
        fetch(File("file", (url,), size=100), quiet=True)
    assert sent[0] < 20_000_000
    assert leftovers(data) == []
    web.offer("/file", bytes(60_000))  # unzipped on the way, say
    assert fetch(File("file", (url,), size=10_000), quiet=True).stat().st_size == 60_000


@pytest.mark.parametrize("drop", [1, 20])
def test_a_server_that_drips_is_given_up(web, data, drop):
    def drip(handler):
        handler.start(10_000)
        while not web.released.wait(0.05):
            handler.wfile.write(bytes(drop))

    web.answers["/file"] = drip
    start = time.monotonic()
    with pytest.raises(OSError, match=r"/file: sent \d+ bytes in"):
        fetch(File("file", (web.address + "/file",)), quiet=True, timeout=0.3)
    assert time.monotonic() - start < 8  # a chunk of one-byte drops would take a minute
    assert leftovers(data) == []


def together(code: str, *, times: int = 3) -> list[str]:
    """What several processes that run the same lines at once print."""
    run = [sys.executable, "-c", code]
    started = [subprocess.Popen(run, stdout=subprocess.PIPE, text=True) for _ in range(times)]
    printed = [process.communicate()[0] for process in started]
    assert [process.returncode for process in started] == [0] * times
    return printed


def test_processes_that_fetch_one_file_wait_for_the_first(web, data):
    def slow(handler):
        handler.start(len(CONTENT))
        time.sleep(0.5)
        handler.wfile.write(CONTENT)

    web.answers["/file"] = slow
    code = f"""from w2s_tutorial.datasets.downloads import File, fetch
print(fetch(File("set/file", ({web.address + "/file"!r},), {SHA256!r}), quiet=True))"""
    assert together(code) == [f"{data / 'set/file'}\n"] * 3
    assert web.requested == ["/file"]


def test_processes_that_unpack_one_archive_wait_for_the_first(web, data):
    body = packed({f"{k}.txt": CONTENT for k in range(20)})
    code = f"""from w2s_tutorial.datasets.downloads import File, unpacked
folder = unpacked(File("a.tar.gz", ({web.offer("/a.tar.gz", body)!r},)), "whole", quiet=True)
print(len(list(folder.iterdir())))"""
    assert together(code) == ["20\n"] * 3
    assert web.requested == ["/a.tar.gz"]
    assert {path.name for path in data.iterdir()} == {"a.tar.gz", "whole"}


def test_progress_is_shown_unless_quiet(web, data, capfd):
    fetch(File("a", (web.offer("/a", CONTENT),), SHA256), quiet=True)
    assert capfd.readouterr().err == ""
    fetch(File("b", (web.offer("/b", CONTENT),), SHA256))
    assert "100%" in capfd.readouterr().err


def test_a_member_of_an_archive_is_fetched_with_it(web, data):
    body = BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        archive.writestr("inside/file.txt", CONTENT)
    packed = File("set.zip", (web.offer("/set.zip", body.getvalue()),))
    file = File("file.txt", hash=SHA256, archive=packed, member="inside/file.txt")
    assert fetch(file, quiet=True).read_bytes() == CONTENT
    assert sorted(p.name for p in leftovers(data)) == ["file.txt", "set.zip"]
    wrong = File("other.txt", hash="md5:" + "0" * 32, archive=packed, member="inside/file.txt")
    with pytest.raises(ValueError, match="content is md5:"):
        fetch(wrong)
    assert not (data / "other.txt").exists()
