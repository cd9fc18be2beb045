"""A program against the client that openapi-python-client made: lists bars and positions of the running hub."""

import os

from hub_client import AuthenticatedClient
from hub_client.api.bars_and_ticks import list_bars
from hub_client.api.positions_and_orders import list_positions
from hub_client.models import Problem

client = AuthenticatedClient(base_url=os.environ["MTBRIDGE_URL"], token=os.environ["MTBRIDGE_KEY"])

bars = list_bars.sync("1001", "EURUSD", client=client, timeframe="H1", limit=3)
closes = [bar.close for bar in bars.data]
positions = list_positions.sync("1001", client=client)
tickets = [position.ticket for position in positions.data]
away = list_positions.sync("4711", client=client)

assert len(closes) == 3 and all(isinstance(close, float) for close in closes), closes
assert tickets and all(isinstance(ticket, int) for ticket in tickets), tickets
assert isinstance(away, Problem) and away.code == "terminal_not_found", away
print("closes", closes, "tickets", tickets)
