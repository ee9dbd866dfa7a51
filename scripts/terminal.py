# Run a program at a terminal: `python terminal.py`, beside a file terminal.json that says which. kis exec -t starts it
# in a session of its own, because the agent's streams are no terminal.
import json
import os
import sys

with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "terminal.json"), encoding="ascii") as file:
    order = json.load(file)
term = os.environ.get("TERM")
os.environ.clear()
os.environ.update(order["env"])
if term:
    os.environ["TERM"] = term
os.chdir(order["directory"])
try:
    os.execvp(order["argv"][0], order["argv"])
except OSError as error:
    sys.exit("kis: %s: %s" % (order["argv"][0], error.strerror))
