"""Writes src/api/openapi/examples.json: what a demo hub really answers. `make examples`, then look at the difference."""

import json
import pathlib
import time

from run import ROOT, WORK, Hub

OUT = ROOT / "src/api/openapi/examples.json"
TERMINAL = "/api/v1/terminals/1001"


def shortened(value):
    """The first two of every list: an example shows the form. All states of a command: the last one is that in which it stands."""
    if isinstance(value, dict):
        if "states" in value:
            assert value["states"][-1]["state"] == value["state"], value
        return {name: member if name == "states" else shortened(member) for name, member in value.items()}
    if isinstance(value, list):
        return [shortened(member) for member in value[:2]]
    return value


class Recorder:
    def __init__(self, hub):
        self.hub = hub
        self.examples = {}

    def __call__(self, operation, method, path, body=None, status=200):
        headers = {"Idempotency-Key": f"example-{time.monotonic_ns()}"}
        answer = self.hub.session.request(method, self.hub.url + path, json=body, headers=headers, timeout=30)
        assert answer.status_code == status, (operation, answer.status_code, answer.text)
        example = self.examples.setdefault(operation, {"responses": {}})
        if body is not None and status < 300:
            example["request"] = body
        if answer.headers.get("content-type", "").split(";")[0].endswith("json"):
            told = answer.json()
            # Secrets of the demo are worth nothing, and still no example shows one.
            for secret in ("token", "key"):
                if str(told.get(secret, "")).startswith(("mtb_", "sk_")):
                    told[secret] = told["prefix"] + "…"
            example["responses"][str(status)] = shortened(told)
            return told
        return None


def main():
    WORK.mkdir(parents=True, exist_ok=True)
    with Hub("examples") as hub:
        ask = Recorder(hub)
        ask("health", "GET", "/healthz")
        ask("readiness", "GET", "/readyz")
        ask("getError", "GET", "/errors/terminal_offline")
        ask("listTerminals", "GET", "/api/v1/terminals")
        ask("getTerminal", "GET", TERMINAL)
        ask("getTerminal", "GET", "/api/v1/terminals/4711", status=404)
        ask("getAccount", "GET", TERMINAL + "/account")
        ask("listQuotes", "GET", TERMINAL + "/quotes?symbols=EURUSD")
        ask("listBars", "GET", TERMINAL + "/bars/EURUSD?timeframe=H1&limit=2")
        ask("listTicks", "GET", TERMINAL + "/ticks/EURUSD?from=2024-03-12T11:00:00Z&limit=2")
        order = {"symbol": "EURUSD", "side": "buy", "type": "market", "volume": 0.1}
        bought = ask("placeOrder", "POST", TERMINAL + "/orders", order)
        ask("placeOrder", "POST", TERMINAL + "/orders", {**order, "volume": 0.011}, status=422)
        ask("checkOrder", "POST", TERMINAL + "/orders/check", {**order, "volume": 0.2})
        ask("calculateMargin", "POST", TERMINAL + "/calc/margin", {"symbol": "EURUSD", "side": "buy", "volume": 0.1})
        profit = {"symbol": "EURUSD", "side": "buy", "volume": 0.1, "price_open": 1.09, "price_close": 1.095}
        ask("calculateProfit", "POST", TERMINAL + "/calc/profit", profit)
        position = ask("listPositions", "GET", TERMINAL + "/positions")["data"][0]
        ask("getPosition", "GET", f"{TERMINAL}/positions/{position['ticket']}")
        ask("modifyPosition", "PATCH", f"{TERMINAL}/positions/{position['ticket']}", {"sl": 1.05, "tp": 1.15})
        limit = {"symbol": "EURUSD", "side": "buy", "type": "limit", "volume": 0.1, "price": 1.05}
        pending = ask("placeOrder", "POST", TERMINAL + "/orders", limit)
        ask.examples["placeOrder"]["request"] = order
        ask.examples["placeOrder"]["responses"]["200"] = shortened(bought)
        ask("listOrders", "GET", TERMINAL + "/orders")
        ask("modifyOrder", "PATCH", f"{TERMINAL}/orders/{pending['result']['order']}", {"price": 1.04})
        ask("cancelOrder", "DELETE", f"{TERMINAL}/orders/{pending['result']['order']}")
        ask("closePosition", "POST", f"{TERMINAL}/positions/{position['ticket']}/close", {})
        ask("closeAllPositions", "POST", TERMINAL + "/positions/close-all", {})
        ask("getCommand", "GET", "/api/v1/commands/" + bought["id"])
        ask("listCommands", "GET", "/api/v1/commands?terminal=1001&limit=1")
        ask("listCommandMakers", "GET", "/api/v1/commands/makers?terminal=1001")
        ask("listDeals", "GET", TERMINAL + "/history/deals?limit=2")
        ask("listPastOrders", "GET", TERMINAL + "/history/orders?limit=2")
        ask("setKillSwitch", "POST", "/api/v1/kill-switch", {"scope": "1001@Demo-Server", "level": "block", "reason": "bot runs wild"})
        ask("listKillSwitches", "GET", "/api/v1/kill-switch")
        ask("armDeadman", "POST", "/api/v1/deadman", {"timeout_s": 30, "action": "cancel", "terminal": "1001"})
        ask("listDeadmanTimers", "GET", "/api/v1/deadman")
        ask("externalBars", "GET", "/api/external/bars?symbol=EURUSD&timeframe=60&limit=2")
        ask("externalSymbols", "GET", "/api/external/symbols")
        point = {"time": 1710187200, "type": "high", "price": 1.0931, "label": "H", "color": "#f97316", "shape": "arrowDown", "size": 2}
        drawing = {"symbol": "EURUSD", "timeframe": 60, "indicator_name": "Swing points", "points": [point]}
        ask("submitIndicator", "POST", "/api/external/indicators/swing", drawing)
        ask("getIndicator", "GET", "/api/external/indicators/swing?symbol=EURUSD&timeframe=60")
        ask("listIndicators", "GET", "/api/external/indicators")
        token = ask("createToken", "POST", "/api/v1/tokens", {"name": "desk 3"}, 201)
        ask("getToken", "GET", "/api/v1/tokens/" + token["id"])
        key = ask("createKey", "POST", "/api/v1/keys", {"name": "bot", "permissions": ["read:bars", "read:account", "trade:write"]}, 201)
        ask("getKey", "GET", "/api/v1/keys/" + key["id"])
    OUT.write_text(json.dumps(ask.examples, indent=1, ensure_ascii=False) + "\n")
    print(f"{len(ask.examples)} operations in {pathlib.Path(OUT).relative_to(ROOT)}")


if __name__ == "__main__":
    main()
