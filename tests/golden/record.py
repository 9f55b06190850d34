"""Run the cases on a server that speaks Flyte's API and write what a client can see of each, normalised.

usage: record.py CONFIG OUT_DIR [--image IMAGE] [--only NAME ...] [--parallel N] [--version V (already registered)] [--store ROOT]

--store names the root of a store on disk, whose addresses have no host to recognise them by.

One JSON file a case: the execution, its data, every node execution (children below their parent), their task executions and data,
child executions, the signals, the shape of the metrics tree. Names, times, addresses and random parts are replaced, so that two
servers' files can be compared line by line. The same program records the reference server and the server under test.
"""
from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import yaml
from flyteidl.admin import common_pb2, execution_pb2, node_execution_pb2, signal_pb2, task_execution_pb2
from flyteidl.core import execution_pb2 as core_execution
from flyteidl.core import identifier_pb2, literals_pb2
from flyteidl.service.admin_pb2_grpc import AdminServiceStub
from flyteidl.service.signal_pb2_grpc import SignalServiceStub
from google.protobuf.json_format import MessageToDict

PROJECT, DOMAIN = "flytesnacks", "development"
W, N = core_execution.WorkflowExecution, core_execution.NodeExecution
DONE = {W.SUCCEEDED, W.FAILED, W.ABORTED, W.TIMED_OUT}


def integer(i: int) -> literals_pb2.Literal:
    return literals_pb2.Literal(scalar=literals_pb2.Scalar(primitive=literals_pb2.Primitive(integer=i)))


def boolean(b: bool) -> literals_pb2.Literal:
    return literals_pb2.Literal(scalar=literals_pb2.Scalar(primitive=literals_pb2.Primitive(boolean=b)))


# name -> (launch plan, inputs, what to do while it runs)
CASES: dict[str, tuple[str, dict[str, int], str]] = {}
for module, names in {
    "plain": "hello diamond unused_and_constant named_outputs scalars attribute_paths collections collection_binding files frames deck"
             " chained overridden echoes",
    "control": "branch branch_fail branch_nested subworkflows branch_to_subworkflow launch_plans failing sub_failing child_failing"
               " retried not_retried retries_exhausted timed_out process_dies failure_node fail_late fail_fast interruptible sleeping"
               " gate_timed_out",
    "runtime": "dynamic_fan dynamic_nested dynamic_constant dynamic_subworkflow dynamic_failing dynamic_raises mapped mapped_partial"
               " mapped_some_fail mapped_fails mapped_empty map_in_dynamic",
}.items():
    for name in names.split():
        CASES[name] = (f"cases.{module}.{name}", {}, "")
# Of the record of Flyte: tags are hashes of inputs. On a server that has run the case before, choose another one.
CACHED_INPUT = 45353
CASES |= {
    "eager": ("cases.runtime.eager_flow", {"a": 2}, ""),
    "branch_large": ("cases.control.branch", {"a": 30}, ""),
    "branch_taken": ("cases.control.branch_fail", {"a": 30}, ""),
    "fixed_launch_plan": ("cases.control.fixed_lp", {}, ""),
    "approved": ("cases.control.approved", {}, "approve"),
    "rejected": ("cases.control.approved", {"a": 2}, "reject"),
    "given": ("cases.control.given", {}, "give"),
    "aborted": ("cases.control.to_abort", {}, "abort"),
    "cached_first": ("cases.runtime.cached", {"a": CACHED_INPUT}, ""),
    "cached_second": ("cases.runtime.cached", {"a": CACHED_INPUT}, "after cached_first"),
    "mapped_cached": ("cases.runtime.mapped_cached", {}, ""),
    "mapped_cached_second": ("cases.runtime.mapped_cached", {}, "after mapped_cached"),
    "single_task": ("cases.plain.add", {"a": 4, "b": 5}, "task"),
    "relaunched": ("cases.plain.diamond", {}, "relaunch diamond"),
    "recovered": ("cases.control.fail_late", {}, "recover fail_late"),
    "recovered_dynamic": ("cases.runtime.dynamic_failing", {}, "recover dynamic_failing"),
    "recovered_map": ("cases.runtime.mapped_fails", {}, "recover mapped_fails"),
}


class Recorder:
    def __init__(self, config: str, version: str) -> None:
        admin = yaml.safe_load(Path(config).read_text())["admin"]
        target = admin["endpoint"].removeprefix("dns:///")
        self.channel = grpc.insecure_channel(target)
        self.admin, self.signals, self.version = AdminServiceStub(self.channel), SignalServiceStub(self.channel), version
        self.finished: dict[str, identifier_pb2.WorkflowExecutionIdentifier] = {}

    def identifier(self, kind: int, name: str) -> identifier_pb2.Identifier:
        return identifier_pb2.Identifier(resource_type=kind, project=PROJECT, domain=DOMAIN, name=name, version=self.version)

    def start(self, name: str) -> identifier_pb2.WorkflowExecutionIdentifier:
        plan, inputs, action = CASES[name]
        verb, _, other = action.partition(" ")
        if other:
            while other not in self.finished:
                time.sleep(0.2)
        if verb == "relaunch":
            return self.admin.RelaunchExecution(execution_pb2.ExecutionRelaunchRequest(id=self.finished[other])).id
        if verb == "recover":
            return self.admin.RecoverExecution(execution_pb2.ExecutionRecoverRequest(id=self.finished[other])).id
        kind = identifier_pb2.TASK if verb == "task" else identifier_pb2.LAUNCH_PLAN
        request = execution_pb2.ExecutionCreateRequest(
            project=PROJECT, domain=DOMAIN,
            spec=execution_pb2.ExecutionSpec(launch_plan=self.identifier(kind, plan)),
            inputs=literals_pb2.LiteralMap(literals={k: integer(v) for k, v in inputs.items()}))
        return self.admin.CreateExecution(request).id

    def act(self, eid: identifier_pb2.WorkflowExecutionIdentifier, action: str) -> None:
        """What a person does while the execution runs."""
        if action == "abort":
            while not any(n.id.node_id == "n1" and n.closure.phase == N.RUNNING for n in self.nodes(eid)):
                time.sleep(0.5)
            time.sleep(3)
            self.admin.TerminateExecution(execution_pb2.ExecutionTerminateRequest(id=eid, cause="on purpose"))
        elif action in ("approve", "reject", "give"):
            signal, value = ("number", integer(30)) if action == "give" else ("go-ahead", boolean(action == "approve"))
            for _ in range(600):
                try:
                    self.signals.SetSignal(signal_pb2.SignalSetRequest(
                        id=identifier_pb2.SignalIdentifier(signal_id=signal, execution_id=eid), value=value))
                    return
                except grpc.RpcError:
                    time.sleep(0.5)

    def nodes(self, eid: identifier_pb2.WorkflowExecutionIdentifier, parent: str = "") -> list[node_execution_pb2.NodeExecution]:
        found, token = [], ""
        while True:
            page = self.admin.ListNodeExecutions(node_execution_pb2.NodeExecutionListRequest(
                workflow_execution_id=eid, unique_parent_id=parent, limit=100, token=token))
            found += page.node_executions
            token = page.token
            if not token:
                return sorted(found, key=lambda n: n.id.node_id)

    def record(self, eid: identifier_pb2.WorkflowExecutionIdentifier, depth: int = 0) -> dict:
        execution = self.admin.GetExecution(execution_pb2.WorkflowExecutionGetRequest(id=eid))
        data = self.admin.GetExecutionData(execution_pb2.WorkflowExecutionGetDataRequest(id=eid))
        out = {"execution": plain(execution), "data": values(data), "nodes": self.tree(eid, "", depth)}
        signals = self.signals.ListSignals(signal_pb2.SignalListRequest(workflow_execution_id=eid, limit=100)).signals
        if signals:
            out["signals"] = [plain(s) for s in signals]
        try:
            metrics = self.admin.GetExecutionMetrics(execution_pb2.WorkflowExecutionGetMetricsRequest(id=eid, depth=10))
            out["metrics"] = span(metrics.span)
        except grpc.RpcError as e:
            out["metrics"] = e.code().name
        return out

    def tree(self, eid: identifier_pb2.WorkflowExecutionIdentifier, parent: str, depth: int) -> list[dict]:
        rows = []
        for n in self.nodes(eid, parent):
            row = {"node": plain(n),
                   "data": values(self.admin.GetNodeExecutionData(node_execution_pb2.NodeExecutionGetDataRequest(id=n.id)))}
            tasks = self.admin.ListTaskExecutions(task_execution_pb2.TaskExecutionListRequest(node_execution_id=n.id, limit=100))
            if tasks.task_executions:
                row["tasks"] = [{"task": plain(t), "data": values(self.admin.GetTaskExecutionData(
                    task_execution_pb2.TaskExecutionGetDataRequest(id=t.id)))}
                    for t in sorted(tasks.task_executions, key=lambda t: t.id.retry_attempt)]
            if n.metadata.is_parent_node and n.id.node_id != parent:
                row["children"] = self.tree(eid, n.id.node_id, depth)
            child = n.closure.workflow_node_metadata.executionId
            if child.name and depth < 3:
                row["child execution"] = self.record(child, depth + 1)
            rows.append(row)
        return rows


DROP = {"createdAt", "updatedAt", "startedAt", "duration", "reportedAt", "occurredAt", "startTime", "endTime", "principal", "stateChangeDetails",
        "executionEnv", "logs", "customInfo", "reasons", "reason", "updatedBy", "phaseVersion"}


def plain(message) -> dict:
    d = MessageToDict(message, preserving_proto_field_name=False)
    closure = d.get("closure", {})
    if closure.get("logs"):
        closure["logCount"] = len(closure["logs"])
    if "dynamicWorkflow" in closure.get("taskNodeMetadata", {}):
        closure["taskNodeMetadata"]["dynamicWorkflow"] = "(present)"
    return d


def values(response) -> dict:
    d = MessageToDict(response)
    return {k: d[k] for k in ("fullInputs", "fullOutputs") if d.get(k)} | ({"dynamicWorkflow": "(present)"} if d.get("dynamicWorkflow") else {})


def span(s) -> list:
    """Operation names only, with their children in order of first sight."""
    kind = s.WhichOneof("id")
    name = getattr(s, kind) if kind == "operation_id" else kind
    return [name, [span(c) for c in s.spans]] if s.spans else [name]


class Normaliser:
    def __init__(self, eid: str, version: str, store: str = "") -> None:
        self.names, self.version, self.store = {eid: "<exec>"}, version, store

    def walk(self, v, key: str = ""):
        if isinstance(v, dict):
            return {k: self.walk(x, k) for k, x in v.items() if k not in DROP}
        if isinstance(v, list):
            return [self.walk(x, key) for x in v]
        if isinstance(v, str):
            return self.text(v, key)
        return v

    def text(self, s: str, key: str) -> str:
        for real, stand_in in self.names.items():
            s = s.replace(real, stand_in)
        s = s.replace(self.version, "<version>")
        if self.store:
            s = s.replace(self.store + "/", "<store>/").replace(self.store.removeprefix("file://") + "/", "<store>/")
        s = re.sub(r"(s3|gs|file|fs|abfs)://[^/\s\"]+/", "<store>/", s)
        s = re.sub(r"<store>/(?:[^\s\"]*?/)?(?:[a-z0-9]{2}/)?(<exec(?::\d+)?>-[A-Za-z0-9-]+-\d+)/[0-9a-f]{32}", r"<raw>/\1/<random>", s)
        s = re.sub(r"(?<!map_)\b[0-9a-f]{32}\b", "<random>", s)
        s = re.sub(r"\ba[a-z0-9]{19}\b", "<other exec>", s)
        s = re.sub(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?( ?(\+0000 UTC|Z))?", "<time>", s)
        s = re.sub(r"<store>/data/[a-z0-9]{2}/", "<store>/data/<shard>/", s)
        if key == "message" and "Traceback" in s:
            last = s.strip().splitlines()[-1].strip()
            s = "Traceback ... " + ("(cut)" if len(s) <= 110 or last.startswith("File") else last)
        return s

    def children(self, record: dict) -> None:
        for row in record["nodes"]:
            self._children(row)

    def _children(self, row: dict) -> None:
        child = row.get("child execution")
        if child:
            self.names[child["execution"]["id"]["name"]] = f"<exec:{len(self.names)}>"
            self.children(child)
        for c in row.get("children", []):
            self._children(c)


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("config"), p.add_argument("out", type=Path)
    p.add_argument("--image", default="local/none:1"), p.add_argument("--only", nargs="*"), p.add_argument("--parallel", type=int, default=3)
    p.add_argument("--version"), p.add_argument("--store", default=""), p.add_argument("--timeout", type=float, default=600)
    a = p.parse_args()
    version = a.version or f"golden{int(time.time())}"
    if not a.version:
        here = Path(__file__).parent
        subprocess.run([Path(sys.executable).with_name("pyflyte"), "-c", Path(a.config).resolve(), "register", "--image", a.image, "-p", PROJECT,
                        "-d", DOMAIN, "--version", version, "cases"], cwd=here, check=True)
    r = Recorder(a.config, version)
    a.out.mkdir(parents=True, exist_ok=True)

    def one(name: str) -> str:
        t, eid = time.time(), None
        try:
            eid = r.start(name)
            r.act(eid, CASES[name][2])
            get = execution_pb2.WorkflowExecutionGetRequest(id=eid)
            while (phase := r.admin.GetExecution(get).closure.phase) not in DONE:
                if time.time() - t > a.timeout:
                    break
                time.sleep(0.3)
            time.sleep(1)
            record = r.record(eid)
            norm = Normaliser(eid.name, version, a.store)
            norm.children(record)
            (a.out / f"{name}.json").write_text(json.dumps(norm.walk(record), indent=1, sort_keys=True, ensure_ascii=False) + "\n")
            return f"{name}: {W.Phase.Name(phase)} in {time.time() - t:.1f} s"
        except Exception as e:  # a case that cannot be recorded must not stop the others
            return f"{name}: NOT RECORDED {type(e).__name__} {str(e)[:300]}"
        finally:
            if eid is not None:
                r.finished[name] = eid

    names = a.only or list(CASES)
    independent = [n for n in names if " " not in CASES[n][2]]
    with ThreadPoolExecutor(a.parallel) as pool:
        for line in pool.map(one, independent + [n for n in names if n not in independent]):
            print(line, flush=True)


main()
