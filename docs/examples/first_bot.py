"""A first bot: reads bars and the account, buys once, and closes what it bought. Needs: pip install requests"""

import os
import sys
import time
import uuid

import requests

HUB = os.environ.get("MTBRIDGE_URL", "http://127.0.0.1:8787")
TERMINAL = os.environ.get("MTBRIDGE_TERMINAL", "1001")
SYMBOL = "EURUSD"

session = requests.Session()
session.headers["Authorization"] = "Bearer " + os.environ["MTBRIDGE_KEY"]


def read(path, **query):
    """A read may be asked again as often as one likes."""
    answer = session.get(f"{HUB}/api/v1{path}", params=query, timeout=35)
    body = answer.json()
    if not answer.ok:
        # `type` leads to a page that says what the code means and what to do.
        sys.exit(f"{body['code']}: {body['detail']} ({HUB}{body['type']})")
    return body


def trade(path, order):
    """Sends a trade once, and returns it when its outcome is known."""
    # One key for one decision. Whatever breaks on the way, the same key never makes a second order.
    headers = {"Idempotency-Key": str(uuid.uuid4()), "Prefer": "wait=10"}
    command = None
    while command is None:
        try:
            answer = session.post(f"{HUB}/api/v1{path}", json=order, headers=headers, timeout=35)
            command = answer.json()
        except (requests.ConnectionError, requests.Timeout):
            time.sleep(1)  # It may have arrived or not: ask again with the same key.
    if answer.status_code == 202:
        # Sent, and nobody knows yet (`dispatched`, `accepted` or `unknown`). That is no failure: never send another one for it.
        while not command["final"]:
            time.sleep(1)
            command = read(f"/commands/{command['id']}")
    if answer.status_code >= 400 or command["state"] not in ("executed", "partial", "placed", "adjudicated"):
        # Certainly not done.
        sys.exit(f"{command.get('code', command['state'])}: {command.get('detail', command.get('reason'))}")
    return command


account = read(f"/terminals/{TERMINAL}/account")
print(f"account {account['login']}: {account['balance']} {account['currency']}")

bars = read(f"/terminals/{TERMINAL}/bars/{SYMBOL}", timeframe="H1", limit=10)["data"]
for bar in bars:
    print(bar["time"], bar["open"], bar["high"], bar["low"], bar["close"], "" if bar["complete"] else "(forming)")

# The strategy: buy. A better one goes here.
bought = trade(f"/terminals/{TERMINAL}/orders", {"symbol": SYMBOL, "side": "buy", "type": "market", "volume": 0.1})
print(f"bought {bought['result']['volume']} at {bought['result']['price']}: {bought['id']}")

# The position has the mark that the hub gave the order.
positions = read(f"/terminals/{TERMINAL}/positions", symbol=SYMBOL, magic=bought["tag"])["data"]
for position in positions:
    closed = trade(f"/terminals/{TERMINAL}/positions/{position['ticket']}/close", {})
    print(f"closed at {closed['result']['price']}: {closed['id']}")
