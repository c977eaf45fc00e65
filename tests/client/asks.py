"""Asks a node with python-bitcoinrpc: python3 asks.py http://USER:PASSWORD@ADDRESS"""
import sys
from bitcoinrpc.authproxy import AuthServiceProxy, JSONRPCException

node = AuthServiceProxy(sys.argv[1])
mined = node.generatetoaddress(2, "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080")
block = node.getblock(mined[1], 2)
assert block["previousblockhash"] == mined[0], block
assert node.getblock(mined[1])["tx"] == [tx["txid"] for tx in block["tx"]]
assert node.getblockcount() >= block["height"]
assert any(tip["status"] == "active" for tip in node.getchaintips())
assert node.setban("miner-1", "add") is None and node.setban("miner-1", "remove") is None
try:
    node.getblockhash(1_000_000)
    raise SystemExit("there is no such height")
except JSONRPCException as refusal:
    assert refusal.code == -8, refusal.error
print("heard")
