"""docs/deploy.md names flags, routes and settings that exist."""

import configparser
import re
import shlex
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from typer.main import get_command

from distilwhy.cli.app import app
from distilwhy.serving.app import create_app
from distilwhy.serving.settings import ServerSettings
from tiny_students import scratch

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/deploy.md").read_text(encoding="utf-8")
COMMANDS = get_command(app).commands  # type: ignore[attr-defined]
# Flags of docker, systemctl and kubectl.
OF_OTHERS = {"--read-only", "--tmpfs", "--now", "--from-literal"}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.M | re.S)


def list_options(command: str) -> set[str]:
    return {flag for one in COMMANDS[command].params for flag in one.opts if flag.startswith("-")}


@pytest.fixture(scope="module")
def routes() -> set[str]:
    served = create_app(scratch(), ServerSettings())
    return {*served.openapi()["paths"], "/"}


@pytest.fixture(scope="module")
def manifest() -> dict[str, Any]:
    return {one["kind"]: one for one in yaml.safe_load_all(blocks("yaml")[-1])}


def test_every_flag_is_one_of_a_command():
    known = {flag for command in COMMANDS for flag in list_options(command)} | OF_OTHERS
    assert {*re.findall(r"(?<![\w-])--[a-z][\w-]*", TEXT)} - known == set()


def test_every_command_line_takes_its_flags():
    found = re.findall(r"distilwhy ([a-z]+)(.*)", TEXT.replace("\\\n", " "))
    lines = [(name, rest) for name, rest in found if name in COMMANDS]
    assert len(lines) > 5
    for name, rest in lines:
        flags = {*re.findall(r"(?<![\w-])--[a-z][\w-]*", rest.partition("`")[0])}
        assert flags <= list_options(name), f"distilwhy {name} {rest}"


def test_the_manifest_starts_the_server_as_its_command_line_allows(manifest: dict[str, Any]):
    [container] = manifest["Deployment"]["spec"]["template"]["spec"]["containers"]
    COMMANDS["serve"].make_context("serve", ["/student", *container["args"]])
    assert "DISTILWHY_API_KEY" in {one["name"] for one in container["env"]}
    [port] = container["ports"]
    assert port["containerPort"] == COMMANDS["serve"].make_context("serve", ["a"]).params["port"]


def test_the_manifest_s_probes_are_routes(manifest: dict[str, Any], routes: set[str]):
    [container] = manifest["Deployment"]["spec"]["template"]["spec"]["containers"]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"]["path"] in routes
        assert container[probe]["httpGet"]["port"] == container["ports"][0]["name"]


def test_the_manifest_s_parts_belong_together(manifest: dict[str, Any]):
    spec = manifest["Deployment"]["spec"]
    pod = spec["template"]["spec"]
    [container] = pod["containers"]
    labels = spec["template"]["metadata"]["labels"]
    assert spec["selector"]["matchLabels"] == labels
    assert manifest["Service"]["spec"]["selector"] == labels
    assert manifest["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    assert manifest["Service"]["spec"]["ports"][0]["targetPort"] == container["ports"][0]["name"]
    assert [v["name"] for v in container["volumeMounts"]] == [v["name"] for v in pod["volumes"]]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    user = re.search(r"^USER (\d+)", (ROOT / "Dockerfile").read_text(), re.M)
    assert user is not None
    assert pod["securityContext"]["runAsUser"] == int(user[1])


def test_servers_get_longer_to_stop_than_they_take(manifest: dict[str, Any]):
    server = pytest.importorskip("distilwhy.serving.server")
    pod = manifest["Deployment"]["spec"]["template"]["spec"]
    slept = int(pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pod["terminationGracePeriodSeconds"] > server.GRACE + slept
    [unit] = blocks("ini")
    assert int(re.findall(r"TimeoutStopSec=(\d+)", unit)[0]) > server.GRACE


def test_the_unit_starts_the_servers_that_nginx_asks():
    unit = configparser.RawConfigParser()
    unit.read_string(blocks("ini")[0])
    _, name, *arguments = shlex.split(unit["Service"]["ExecStart"])
    [config] = blocks("nginx")
    ports = re.findall(r"server 127\.0\.0\.1:(\d+)", config)
    for port in ports:
        COMMANDS[name].make_context(name, [one.replace("%i", port) for one in arguments])
    assert re.findall(r"student@(\d+)", TEXT) == ports


def test_nginx_has_the_server_s_limits_and_routes(routes: set[str]):
    [config] = blocks("nginx")
    most = re.search(r"client_max_body_size (\d+)m;", config)
    assert most is not None
    assert int(most[1]) * 2**20 == ServerSettings().max_bytes
    waits = re.search(r"proxy_read_timeout (\d+)s;", config)
    assert waits is not None
    assert int(waits[1]) > ServerSettings().timeout
    assert {*re.findall(r"location (?:= )?(/\w*)", config)} <= routes
    assert config.count("{") == config.count("}")


def test_the_ray_serve_application_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    scratch().save(tmp_path / "student")
    monkeypatch.setenv("DISTILWHY_API_KEY", "a-key")

    def deployment(**options: object) -> object:
        return lambda replica: SimpleNamespace(bind=lambda: replica)

    serve = SimpleNamespace(deployment=deployment, ingress=lambda build: lambda: build)
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(serve=serve))
    [code] = blocks("python")
    made: dict[str, Any] = {}
    exec(code.replace("/srv/student", str(tmp_path / "student")), made)
    assert "/predict" in made["app"]().openapi()["paths"]
