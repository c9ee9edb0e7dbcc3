"""The S3 server of tests and benchmarks: one after another in one process, each is found by its own clients."""

from __future__ import annotations

from s3fs import S3FileSystem

from benchmarks.s3_server import s3_server


def test_a_later_server_is_found_by_a_client_made_while_an_earlier_one_ran():
    for name in ("first", "second"):
        with s3_server():
            S3FileSystem(use_listings_cache=False).mkdir(name)
            assert name in S3FileSystem(use_listings_cache=False).ls("")
