"""Draw one system and one incident in it: ``topology.png`` and ``incident.png`` beside this file, or in the folder of ``--out``.

    python experiments/simulator/pictures.py [SOURCE] [--out FOLDER]

The incident is a fault that stops nothing: for six minutes one service answers 300 ms late. What its callers make of that, who
fails, and who goes quiet, the picture shows.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import causaldisc as cd
from causaldisc.incident_drawing import incident_picture
from causaldisc.sources._simulate import build_system
from causaldisc.sources._system.portrait import portrait
from causaldisc.sources._system.system import RequestSystem
from causaldisc.topology_drawing import topology_picture

SLOW = {"online_boutique": "productcatalogservice", "sock_shop": "catalogue-db", "train_ticket": "ts-order-service"}


def main() -> None:
    """Run the system once and draw both pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", nargs="?", default="online_boutique", choices=sorted(SLOW))
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    args = parser.parse_args()
    system = build_system(args.source, 0, {"duration_s": 1800, "step_s": 10, "day_s": 86400, "trials": 0})
    assert isinstance(system, RequestSystem)
    fault = cd.Intervention(SLOW[args.source], "latency", 0.3, 840, 1200)
    data = system.dataset([fault])
    assert data.call_graph is not None
    seen = portrait(system.topology, system.dataset().telemetry)
    title = f"{args.source}: who calls whom, how often, and how busy each is"
    picture = topology_picture(data.call_graph, load=seen.load, calls=seen.calls, hosts=seen.hosts, title=title)
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "topology.png").write_bytes(picture)
    title = f"{args.source}: {fault.target} answers 300 ms late from minute 14 to 20"
    (args.out / "incident.png").write_bytes(incident_picture(data.telemetry, fault, data.call_graph, title))


if __name__ == "__main__":
    main()
