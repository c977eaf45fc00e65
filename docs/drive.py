"""Splits a cluster in half, lets both sides mine, heals it, and asks that one ledger comes out: `schism drive` from Python.

Run it from the checkout: python3 docs/drive.py [path of schism]. Time is virtual, so it takes a moment."""
import json, subprocess, sys

schism = sys.argv[1] if len(sys.argv) > 1 else "schism"
drive = subprocess.Popen([schism, "--quiet", "drive", "topologies/mesh-10.yaml", "--seed", "7"],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
print(json.loads(drive.stdout.readline())["ready"]["nodes"])

def tell(do, **words):
    drive.stdin.write(json.dumps({"do": do, **words}) + "\n")
    drive.stdin.flush()
    answer = json.loads(drive.stdout.readline())
    return answer["ok"] if "ok" in answer else sys.exit(answer["error"])

tell("run_until", height=5, within=600)
tell("fault", fault={"partition": "half"}, name="split")
print("apart:", tell("run_for", seconds=300)["tips"], "tips")
tell("heal", name="split")
payment = tell("pay", node="miner-0")["txid"]
print("together:", tell("run_until", agreed=True, confirmed=payment, within=300))
tell("down")
print(json.loads(drive.stdout.readline())["result"]["verdict"])
