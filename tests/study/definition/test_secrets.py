"""Secrets in addresses and texts: found, taken out, hidden, and nothing else touched."""

import pytest

from study.definition.secrets import holds_secret, redact, redact_address, without_secrets

ADDRESSES = {
    "postgresql://ann:s3cr3t%2Fx@db.example.org/runs": "postgresql://ann@db.example.org/runs",
    "postgresql+psycopg://ann:s3cr3t/x@db/runs?sslmode=require": "postgresql+psycopg://ann@db/runs?sslmode=require",
    "mysql+pymysql://ann:s3cr3t@x@db/runs": "mysql+pymysql://ann@db/runs",
    "http://ann:s3cr3t@server:5000": "http://server:5000",
    "https://s3cr3t@server": "https://server",
    "https://server/?token=s3cr3t": "https://server/",
    "https://server/mlflow?a=b&api_key=s3cr3t&c=d": "https://server/mlflow?a=b&c=d",
    "postgresql://ann@db/runs?password=s3cr3t": "postgresql://ann@db/runs",
    "postgresql://ann@db/runs?p%61ssword=s3cr3t&sslmode=require": "postgresql://ann@db/runs?sslmode=require",
    "mssql+pyodbc:///?odbc_connect=DRIVER%3Dx%3BPWD%3Ds3cr3t": "mssql+pyodbc:///",
}
ODD = {
    "postgresql://ann:s3cr3t'x@db/runs": "postgresql://ann@db/runs",
    'postgresql://ann:s3cr3t"x@db/runs': "postgresql://ann@db/runs",
    "postgresql://ann:<s3cr3t>@db/runs": "postgresql://ann@db/runs",
    "postgresql://ann:a s3cr3t\nx@db/runs": "postgresql://ann@db/runs",
    "https://ann:s3cr3t/x@server": "https://server",
    "https://server/#token=s3cr3t": "https://server/",
    "https://server/?jwt=s3cr3t": "https://server/",
    "//ann:s3cr3t@db/runs": "//ann@db/runs",
    "ann:s3cr3t@db/runs": "ann@db/runs",
}
INNOCENT = [
    "sqlite:////home/ann/off 50%25/what%3Fx=1/mlflow.db",
    "http://server:5000",
    "http://server:5000/team@work",
    "postgresql://ann@db/runs?sslmode=require&passfile=/home/ann/.pgpass",
    "databricks://profile",
    "https://[::1]:5000/team@work",
    "sqlite:////home/ann/run:1/a@b.db",
    "file:///home/ann/run:1/a@b",
    "./mlruns",
]


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_secret_in_an_address_is_found_taken_out_and_hidden(address):
    assert holds_secret(address)
    assert without_secrets(address) == ADDRESSES[address]
    assert not holds_secret(ADDRESSES[address])
    shown = redact(f"cannot open '{address}': refused")
    assert "s3cr3t" not in shown
    assert "***" in shown
    assert shown.endswith(": refused")


@pytest.mark.parametrize("address", ODD)
def test_a_password_of_odd_characters_or_without_a_scheme_is_one_too(address):
    assert holds_secret(address)
    assert without_secrets(address) == ODD[address]
    assert "s3cr3t" not in redact_address(address)


@pytest.mark.parametrize("address", INNOCENT)
def test_an_address_without_a_secret_stays_as_it_is(address):
    assert not holds_secret(address)
    assert redact(f"cannot open {address}") == f"cannot open {address}"


@pytest.mark.parametrize("name", ["MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN", "PGPASSWORD", "MYSQL_PWD"])
@pytest.mark.parametrize("spelling", ["s3cr3t/x y", "s3cr3t%2Fx%20y", "s3cr3t%2Fx+y"])
def test_a_secret_of_the_environment_is_hidden_however_it_is_written(name, spelling, monkeypatch):
    monkeypatch.setenv(name, "s3cr3t/x y")
    assert redact(f"login with {spelling} failed") == "login with *** failed"


def test_the_password_of_the_tracking_address_is_hidden_also_alone(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://ann:hunter%212@db/runs?sslpassword=other-one")
    shown = redact("connect(password='hunter!2', sslpassword='other-one', dir=/runs)")
    assert shown == "connect(password='***', sslpassword='***', dir=/runs)"


def test_the_working_directory_is_no_secret(monkeypatch):
    monkeypatch.setenv("PWD", "/home/ann/study")
    assert redact("in /home/ann/study") == "in /home/ann/study"
