"""Holds the hub against its own document, as programs of others do: `make test-api`. Everything it starts it ends."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

import requests
from openapi_spec_validator import OpenAPIV31SpecValidator

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent.parent
BIN = pathlib.Path(sys.executable).parent
NODE = pathlib.Path(os.environ["NODE_DIR"])
WORK = pathlib.Path(os.environ["WORK_DIR"])


class Hub:
    """`mtbridge demo`: a hub with two simulated terminals, on a free port."""

    def __init__(self, name):
        command = [os.environ["MTBRIDGE"], "demo", "--listen", "127.0.0.1:0", "--dir", str(WORK / name)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        said = ""
        for line in self.process.stdout:
            said += line
            if line.startswith("Ctrl-c"):
                break
        self.url = re.search(r"listening on (\S+)", said)[1]
        self.key = re.search(r"Admin key (\S+)", said)[1]
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {self.key}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(20)

    def environment(self):
        return {**os.environ, "MTBRIDGE_URL": self.url, "MTBRIDGE_KEY": self.key, "NO_COLOR": "1"}

    def buy(self):
        order = {"symbol": "EURUSD", "side": "buy", "type": "market", "volume": 0.02}
        headers = {"Idempotency-Key": f"conformance-{time.monotonic_ns()}"}
        answer = self.session.post(f"{self.url}/api/v1/terminals/1001/orders", json=order, headers=headers, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()


def run(command, hub=None, **options):
    subprocess.run([str(part) for part in command], check=True, env=hub.environment() if hub else None, **options)


def the_document_is_valid(hub):
    document = requests.get(f"{hub.url}/openapi.json", timeout=30).json()
    problems = [f"{list(error.absolute_path)}: {error.message}" for error in OpenAPIV31SpecValidator(document).iter_errors()]
    assert not problems, "\n".join(problems)
    assert document == json.loads((ROOT / "docs/openapi.json").read_text()), "the hub serves another document than docs/openapi.json"


def every_type_of_an_error_resolves(hub):
    problem = hub.session.get(f"{hub.url}/api/v1/terminals/4711", timeout=30).json()
    entry = requests.get(hub.url + problem["type"], timeout=30).json()
    assert entry["code"] == "terminal_not_found", entry


def the_guide_runs_as_written(hub):
    guide = (ROOT / "docs/first-bot.md").read_text()
    # An account for each: the hub takes the same order twice within a second for a mistake.
    bots = [("python", "first_bot.py", [sys.executable], "1001"), ("js", "first_bot.mjs", ["node"], "1002")]
    for language, file, command, terminal in bots:
        (block,) = re.findall(rf"^```{language}\n(.*?)^```$", guide, re.S | re.M)
        assert block == (ROOT / "docs/examples" / file).read_text(), f"docs/first-bot.md and docs/examples/{file} differ"
        written = WORK / file
        written.write_text(block)
        said = subprocess.run([*command, written], env={**hub.environment(), "MTBRIDGE_TERMINAL": terminal}, capture_output=True, text=True, timeout=60)
        assert said.returncode == 0, said.stdout + said.stderr
        assert "bought 0.1" in said.stdout and "closed at" in said.stdout, said.stdout


def a_python_client_is_made_and_lists_bars_and_positions(hub):
    target = WORK / "python/hub_client"
    shutil.rmtree(target.parent, ignore_errors=True)
    target.parent.mkdir(parents=True)
    run([BIN / "openapi-python-client", "generate", "--path", ROOT / "docs/openapi.json", "--meta", "none", "--output-path", target],
        stdout=subprocess.DEVNULL)
    shutil.copy(HERE / "client.py", target.parent)
    run([sys.executable, "client.py"], hub, cwd=target.parent)


def a_typescript_client_is_made_and_lists_bars_and_positions(hub):
    run([NODE / "node_modules/.bin/openapi-typescript", ROOT / "docs/openapi.json", "-o", NODE / "schema.d.ts"], stdout=subprocess.DEVNULL)
    shutil.copy(HERE / "client.ts", NODE)
    run([NODE / "node_modules/.bin/tsc", "--strict", "--target", "es2022", "--module", "nodenext", "--skipLibCheck",
         "--types", "node", "client.ts"], cwd=NODE)
    run(["node", "client.js"], hub, cwd=NODE)


def schemathesis_finds_nothing(hub):
    shutil.copy(HERE / "schemathesis.toml", WORK)
    run([BIN / "st", "--config-file", WORK / "schemathesis.toml", "--no-color", "run", f"{hub.url}/openapi.json",
         "-H", f"Authorization: Bearer {hub.key}", "--workers", "1", "--max-examples", "15", "--seed", "1",
         "--generation-database", "none", "--request-timeout", "40", "--suppress-health-check", "all", "--no-shrink"],
        hub, cwd=WORK)


def main():
    WORK.mkdir(parents=True, exist_ok=True)
    with Hub("first") as hub:
        hub.buy()
        for check in [the_document_is_valid, every_type_of_an_error_resolves, the_guide_runs_as_written,
                      a_python_client_is_made_and_lists_bars_and_positions,
                      a_typescript_client_is_made_and_lists_bars_and_positions]:
            begun = time.monotonic()
            check(hub)
            print(f"ok  {check.__name__.replace('_', ' ')}  ({time.monotonic() - begun:.1f} s)", flush=True)
    # A hub of its own: it revokes what it finds, and raises switches.
    with Hub("second") as hub:
        hub.buy()
        begun = time.monotonic()
        schemathesis_finds_nothing(hub)
        print(f"ok  schemathesis finds nothing  ({time.monotonic() - begun:.1f} s)")


if __name__ == "__main__":
    main()
