"""Secrets on command lines become stars of the same length; all else stays as it is."""

from __future__ import annotations

import pytest

from santabpf.elf.mask import mask, mask_records

#: What is written, and what must leave the node. Arguments are separated by |.
SECRETS = {
    "mysql|--password|hunter2": "mysql|--password|*******",
    "mysql|--password=hunter2|db": "mysql|--password=*******|db",
    "/usr/bin/mysql|-u|root|-phunter2": "/usr/bin/mysql|-u|root|-p*******",
    "mysqldump|-phunter2|db": "mysqldump|-p*******|db",
    "sshpass|-p|hunter2|ssh|host": "sshpass|-p|*******|ssh|host",
    "sshpass|-phunter2|ssh": "sshpass|-p*******|ssh",
    "redis-cli|-a|hunter2|ping": "redis-cli|-a|*******|ping",
    "curl|-u|me:hunter2|https://x": "curl|-u|me:*******|https://x",
    "curl|--user|me:hunter2": "curl|--user|me:*******",
    "curl|-ume:hunter2": "curl|-ume:*******",
    "curl|https://me:hunter2@host/path": "curl|https://me:*******@host/path",
    "git|clone|https://x-token:abc123@git.example/r": "git|clone|https://x-token:******@git.example/r",
    "psql|postgresql://me:p%40ss@db:5432/x": "psql|postgresql://me:******@db:5432/x",
    "curl|-H|Authorization: Bearer abc.def.ghi": "curl|-H|Authorization: Bearer ***********",
    "curl|-H|authorization: Basic bWU6eA==": "curl|-H|authorization: Basic ********",
    "curl|-H|X-Api-Key: abc123": "curl|-H|X-Api-Key: ******",
    "curl|-H|Cookie: session=abc": "curl|-H|Cookie: ***********",
    "env|PGPASSWORD=hunter2|psql": "env|PGPASSWORD=*******|psql",
    "env|AWS_SECRET_ACCESS_KEY=abc/def|x": "env|AWS_SECRET_ACCESS_KEY=*******|x",
    "env|GITHUB_TOKEN=ghp_abc|x": "env|GITHUB_TOKEN=*******|x",
    "env|MYSQL_PWD=abc|x": "env|MYSQL_PWD=***|x",
    "tool|--api-key|abc123": "tool|--api-key|******",
    "tool|--token=abc def": "tool|--token=*******",
    "tool|--client-secret|abc": "tool|--client-secret|***",
    "java|-Dspring.datasource.password=abc|-jar|x": "java|-Dspring.datasource.password=***|-jar|x",
    "openssl|enc|-pass|pass:abc": "openssl|enc|-pass|********",
    "sh|-c|mysql --password=hunter2 db && echo done": "sh|-c|mysql --password=******* db && echo done",
    "sh|-c|tool --token 'a b' --verbose": "sh|-c|tool --token ***** --verbose",
    "sh|-c|PGPASSWORD=hunter2 psql -h db": "sh|-c|PGPASSWORD=******* psql -h db",
    "sh|-c|curl -H 'Authorization: Bearer abc' x": "sh|-c|curl -H 'Authorization: Bearer ***' x",
    "sh|-c|curl https://me:abc@host; ls": "sh|-c|curl https://me:***@host; ls",
}
INNOCENT = [
    "ls|-l|/etc/passwd",
    "vim|/etc/pam.d/common-password",
    "tool|--password-file|/run/secret.txt",
    "tool|--password-file=/run/x",
    "make|-p|all",
    "curl|-s|https://host/path?x=y@z",
    "ssh|user@host|echo|hello",
    "env|PWD=/home/me|OLDPWD=/tmp|ls",
    "keyctl|show",
    "monkey|--keyboard|us",
    "git|commit|-m|tokens are counted",
    "python3|-c|print('hello')",
    "postgres: me db [local] authentication",
    "tool|--password",
    "tool|--token|--verbose",
    "",
]


def as_kernel(text: str) -> bytes:
    return text.replace("|", "\0").encode() + b"\0"


@pytest.mark.parametrize("line", SECRETS)
def test_a_secret_is_starred(line: str) -> None:
    assert mask(as_kernel(line)) == as_kernel(SECRETS[line])


@pytest.mark.parametrize("line", INNOCENT)
def test_what_is_no_secret_stays(line: str) -> None:
    assert mask(as_kernel(line)) == as_kernel(line)


@pytest.mark.parametrize("line", [*SECRETS, *INNOCENT])
def test_nothing_moves(line: str) -> None:
    assert len(mask(as_kernel(line))) == len(as_kernel(line))


def test_bytes_that_are_no_text_do_no_harm() -> None:
    line = b"\xff\xfe\0--password\0\x80\x81\0" + bytes(range(256))
    assert mask(line).startswith(b"\xff\xfe\0--password\0**\0")
    assert len(mask(line)) == len(line)


def test_only_the_argv_of_each_record_is_touched() -> None:
    record = b"\0" * 8 + b"token=ab" + b"token=abc\0".ljust(16, b"\0")
    masked = mask_records(record * 3, len(record), [[8, 16]])
    assert masked == (b"\0" * 8 + b"token=ab" + b"token=***\0".ljust(16, b"\0")) * 3


def test_records_without_a_secret_are_not_copied() -> None:
    taken = (b"\0" * 8 + b"/bin/ls\0".ljust(16, b"\0")) * 3
    assert mask_records(taken, 24, [[0, 16]]) is taken
