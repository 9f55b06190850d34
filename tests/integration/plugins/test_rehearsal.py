import subprocess
import sys
import textwrap

STATE = """
    import faulthandler, importlib, os, signal, sys, threading
    from flytetemporal.plugins.process import entrypoints, rehearsal, store_library

    importlib.import_module(entrypoints.ENTRYPOINT)
    contexts = importlib.import_module("flytekit.core.context_manager")
    stats = importlib.import_module("flytekit.interfaces.stats.client")

    def state():
        return {
            "environment": dict(os.environ),
            "path": list(sys.path),
            "threads": threading.active_count(),
            "files": sorted(os.listdir("/proc/self/fd")),
            "tasks": len(contexts.FlyteEntities.entities),
            "contexts": contexts.FlyteContextManager.size(),
            "statistics": stats._stats_client,
            "SIGUSR1": signal.getsignal(signal.SIGUSR1),
            "module": rehearsal._MODULE in sys.modules,
        }

    before = state()
    rehearsal.rehearse()
    entrypoints.adapt()
    store_library.load('s3')
    after = state()
    changed = {name: (before[name], after[name]) for name in before if before[name] != after[name]}
    print("changed:", changed, "loaded:", "s3fs" in sys.modules)
"""


def test_what_a_server_prepares_leaves_no_state_that_forks_would_share() -> None:
    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(STATE)], capture_output=True, text=True, check=False)

    assert ended.stdout == "changed: {} loaded: True\n", ended.stderr
