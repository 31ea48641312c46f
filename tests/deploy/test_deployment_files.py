"""Image, compose file and manifests: each against its schema, and against what it relies on elsewhere."""

import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import jsonschema
import kubernetes_validate
import pytest
import typer
import yaml
from fastapi.routing import APIRoute

from api.operation.health import health_router
from deploy.commands import app
from deploy.settings import PREFIX, Settings, load_settings
from rules_lib.rule_files import RULES
from streams.bus import Lag
from streams.handlers.rule_sets import RuleSets
from streams.hosts.watching import StoreCollector
from streams.store.operation.condition import Condition
from streams.store.sessions import Pool
from streams.topics import CLAIMS, JUDGES

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
CONTAINERFILE = (DEPLOY / "images" / "Containerfile").read_text(encoding="utf-8")
COMPOSE_TEXT = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(COMPOSE_TEXT)
SERVICES: dict[str, Any] = COMPOSE["services"]
K8S = DEPLOY / "k8s"
FOLDERS = (K8S, K8S / "scaling", K8S / "rules")
OURS = ("migrate", "worker", "api", "gateway", "fundwatch")
HOME = "/var/lib/fundwatch"
LONGEST_END = 5
"""Seconds in which a worker that was told to stop has ended (contract, section 5)."""

DATABASE_URL = f"postgresql://fundwatch:{'k' * 32}@postgres:5432/fundwatch"


def _documents(path: Path) -> list[dict[str, Any]]:
    return [document for document in yaml.safe_load_all(path.read_text(encoding="utf-8")) if document]


MANIFESTS = [
    document
    for folder in FOLDERS
    for path in sorted(folder.glob("*.yaml"))
    for document in _documents(path)
    if path.name != "kustomization.yaml"
]


def _named(document: dict[str, Any]) -> str:
    return f"{document['kind']}/{document['metadata']['name']}"


def _manifests(kind: str) -> list[dict[str, Any]]:
    return [document for document in MANIFESTS if document["kind"] == kind]


def _manifest(kind: str, name: str) -> dict[str, Any]:
    (found,) = (document for document in _manifests(kind) if document["metadata"]["name"] == name)
    return found


def _pods() -> list[dict[str, Any]]:
    """The templates of all pods."""
    return [
        document["spec"]["template"] for kind in ("Deployment", "StatefulSet", "Job") for document in _manifests(kind)
    ]


def _pod_of(name: str) -> dict[str, Any]:
    return next(pod for pod in _pods() if pod["metadata"]["labels"]["app.kubernetes.io/component"] == name)


def _container(pod: dict[str, Any]) -> dict[str, Any]:
    (container,) = pod["spec"]["containers"]
    assert isinstance(container, dict)
    return container


def _selects(selector: dict[str, str], pod: dict[str, Any]) -> bool:
    return selector.items() <= pod["metadata"]["labels"].items()


# --- settings and commands


@pytest.mark.parametrize("path", [DEPLOY / "images", ROOT / "docker-compose.yml", K8S], ids=lambda path: path.name)
def test_every_variable_that_is_set_is_a_setting(path: Path) -> None:
    text = "".join(file.read_text(encoding="utf-8") for file in (path, *path.rglob("*")) if file.is_file())
    named = set(re.findall(rf"{PREFIX}[A-Z_]+", text))
    assert named
    assert named <= {PREFIX + field.name.upper() for field in fields(Settings)} | {"FUNDWATCH_IMAGE"}


@pytest.mark.parametrize("service", OURS)
def test_settings_of_the_compose_file_are_accepted(service: str) -> None:
    environment = dict(SERVICES[service]["environment"])
    for _ in range(2):  # a default may hold another variable with its default
        environment = {name: re.sub(r"\$\{[A-Z_]+:-([^{}]*)\}", r"\1", value) for name, value in environment.items()}
    environment = {name: re.sub(r"\$\{.*?\}", "k" * 32, value) for name, value in environment.items()}
    assert load_settings(environment).database_url == DATABASE_URL


@pytest.mark.parametrize("pod", _pods(), ids=lambda pod: pod["metadata"]["labels"]["app.kubernetes.io/component"])
def test_settings_of_the_manifests_are_accepted_and_come_from_what_exists(pod: dict[str, Any]) -> None:
    container = _container(pod)
    (settings,) = (source["configMapRef"]["name"] for source in container["envFrom"] if "configMapRef" in source)
    (secret,) = (source["secretRef"]["name"] for source in container["envFrom"] if "secretRef" in source)
    environment = dict(_manifest("ConfigMap", settings)["data"])
    environment |= dict.fromkeys(_manifest("Secret", secret)["stringData"], "k" * 32)
    environment |= {"FUNDWATCH_DATABASE_URL": DATABASE_URL, "FUNDWATCH_SIGN_IN_KEYS": "0a" * 32}
    read = load_settings(environment)
    assert read.database_url == DATABASE_URL
    assert None not in (read.vault_key, read.pseudonym_key, read.kafka_user, read.kafka_password)
    assert (read.kafka_security, read.kafka_replication) == ("SASL_SSL", 3)
    mounted = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    folder, _, name = (read.kafka_ca_file or "").rpartition("/")
    (volume,) = (volume for volume in pod["spec"]["volumes"] if volume["name"] == mounted[folder])
    assert name in _manifest("Secret", volume["secret"]["secretName"])["stringData"]


def test_every_process_runs_a_command_that_exists() -> None:
    commands = set(getattr(typer.main.get_command(app), "commands", {}))
    started = {SERVICES[name]["command"][0] for name in OURS if name != "fundwatch"}
    started |= {_container(pod)["args"][0] for pod in _pods()}
    assert started == {"migrate", "worker", "api", "gateway", "rules"}
    assert started <= commands


def test_one_version_everywhere() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    for folder in (K8S, K8S / "rules"):
        (image,) = yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))["images"]
        assert (image["name"], image["newTag"]) == ("fundwatch", version)
    assert {_container(pod)["image"] for pod in _pods()} == {"fundwatch"}
    assert {SERVICES[name]["image"] for name in OURS} == {f"${{FUNDWATCH_IMAGE:-fundwatch:{version}}}"}
    assert f"ARG VERSION={version}\n" in CONTAINERFILE


# --- image


def _stages() -> list[str]:
    return re.split(r"^FROM ", CONTAINERFILE, flags=re.MULTILINE)[1:]


def test_the_image_installs_only_what_is_pinned_as_wheels() -> None:
    installs = re.findall(r"/pip [^&\n]*", CONTAINERFILE.replace("\\\n", " "))
    pinned = [words for words in installs if "requirements/" in words]
    assert len(pinned) == 2
    assert all("--require-hashes" in words and "--only-binary :all:" in words for words in pinned)
    others = [words for words in installs if words not in pinned]
    assert all("--no-deps" in words and "--no-index" in words for words in others)


def test_the_last_stage_fetches_nothing_and_runs_as_a_user_without_rights() -> None:
    _, last = _stages()
    assert not re.search(r"apt-get|apk |pip|npm|curl|wget|gcc", last)
    (user,) = re.findall(r"^USER (\d+):\d+$", last, re.MULTILINE)
    assert int(user) >= 10_000
    assert last.index("\nUSER ") > last.index("\nRUN ")
    assert "HEALTHCHECK" in last
    assert "org.opencontainers.image.licenses" in last


def test_what_the_image_is_built_from_is_let_in_and_nothing_private_is() -> None:
    rules = [line for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line[:1] != "#"]
    assert rules[0] == "*"
    let_in = {rule.removeprefix("!").split("/")[0] for rule in rules if rule.startswith("!")}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packages = set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])
    assert let_in == packages | {"LICENSE", "README.md", "pyproject.toml", "requirements"}
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    for private in (".env", "deploy/k8s/secret.yaml"):
        assert private in rules
        assert f"/{private}" in ignored


# --- compose


def test_the_compose_file_follows_its_schema() -> None:
    spec = find_spec("check_jsonschema")
    assert spec is not None
    assert spec.submodule_search_locations
    vendored = Path(spec.submodule_search_locations[0]) / "builtin_schemas" / "vendor" / "compose-spec.json"
    schema = json.loads(vendored.read_text(encoding="utf-8"))
    validator = jsonschema.validators.validator_for(schema)(schema)
    # The file as an engine sees it: anchors resolved, what begins with x- left out.
    resolved = {name: part for name, part in COMPOSE.items() if not name.startswith("x-")}
    assert [error.message for error in validator.iter_errors(resolved)] == []


def test_every_variable_is_required_or_has_a_harmless_default() -> None:
    required = set(re.findall(r"\$\{([A-Z_]+):\?[^}]+\}", COMPOSE_TEXT))
    defaults = dict(re.findall(r"\$\{([A-Z_]+):-([^}]*)\}", COMPOSE_TEXT))
    optional = set(defaults)
    assert {*required, *optional} == set(re.findall(r"\$\{?([A-Z_]+)", COMPOSE_TEXT))
    assert [name for name in optional if defaults[name] and re.search("PASSWORD|KEY|SECRET|TOKEN", name)] == []
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    assert set(re.findall(r"^([A-Z_]+)=$", example, re.MULTILINE)) == required
    assert set(re.findall(r"^# ([A-Z_]+)=", example, re.MULTILINE)) == optional


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_bounded_and_without_rights(name: str) -> None:
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert not re.match(r"(root|0)\b", service["user"])
    assert ":" in service["image"]
    assert ":latest" not in service["image"]
    # Kafka's image writes its configuration beside its programs when it starts.
    assert service.get("read_only") is (None if name == "kafka" else True)
    if name not in ("migrate", "fundwatch"):
        assert service["restart"] == "unless-stopped"
        assert service["healthcheck"]["test"][0] == "CMD"
    assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory", "pids"}
    for port in service.get("ports", ()):
        assert port.startswith("127.0.0.1:")


def test_services_wait_for_what_they_need() -> None:
    for service in SERVICES.values():
        for name, wait in service.get("depends_on", {}).items():
            if wait["condition"] == "service_healthy":
                assert "test" in SERVICES[name]["healthcheck"]
            else:
                assert (name, wait["condition"]) == ("migrate", "service_completed_successfully")
    assert SERVICES["worker"]["deploy"]["replicas"] == 2
    for name in ("worker", "api", "gateway"):
        assert SERVICES[name]["depends_on"].keys() == {"postgres", "kafka", "migrate"}


def _mounts() -> Iterator[tuple[str, str, str]]:
    """Source, target and mode of everything that a service mounts; what is no path names a volume of the file."""
    for service in SERVICES.values():
        for volume in service.get("volumes", ()):
            source, target, mode = (*volume.split(":"), "rw")[:3]
            yield source, target, mode


def test_a_running_installation_keeps_its_volumes_wherever_the_file_stands() -> None:
    # Without a name here an engine takes the folder's, and another folder begins with empty volumes.
    assert COMPOSE["name"] == "fundwatch"
    # A name of its own, or one from outside, would stand in a definition; a variable would win over the file.
    assert not any(COMPOSE["volumes"].values())
    assert "COMPOSE_PROJECT_NAME" not in (ROOT / ".env.example").read_text(encoding="utf-8")
    volumes = set(COMPOSE["volumes"])
    assert volumes <= {source for source, _, _ in _mounts()}
    named = {f"{COMPOSE['name']}_{source}": target for source, target, _ in _mounts() if source in volumes}
    assert named == {
        "fundwatch_postgres": "/var/lib/postgresql",
        "fundwatch_kafka": "/var/lib/kafka/data",
        "fundwatch_prometheus": "/prometheus",
        "fundwatch_grafana": "/var/lib/grafana",
        "fundwatch_exports": "/exports",
        "fundwatch_knowledge": "/var/lib/fundwatch/knowledge",
        "fundwatch_journals": "/var/lib/fundwatch/journals",
    }


def test_every_file_that_is_mounted_lies_in_the_checkout_and_cannot_be_written() -> None:
    files = [(source, mode) for source, _, mode in _mounts() if source not in COMPOSE["volumes"]]
    assert len(files) == 4
    for source, mode in files:
        path = (ROOT / source).resolve()
        assert path.is_relative_to(ROOT), source
        assert path.exists(), source
        assert mode == "ro", source


def test_compose_networks_and_broker_address_fit_together() -> None:
    assert {network for service in SERVICES.values() for network in service["networks"]} == set(COMPOSE["networks"])
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    kafka = SERVICES["kafka"]["environment"]
    assert kafka["KAFKA_ADVERTISED_LISTENERS"] == f"INSIDE://{SERVICES['worker']['environment']['FUNDWATCH_BROKERS']}"
    assert kafka["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"


def test_prometheus_and_grafana_find_what_they_look_for() -> None:
    """The files of deploy/monitoring name services, ports and folders; here they are given."""
    monitoring = DEPLOY / "monitoring"
    scraped = set()
    for job in yaml.safe_load((monitoring / "prometheus.yml").read_text(encoding="utf-8"))["scrape_configs"]:
        (looked_up,) = job["dns_sd_configs"]
        (name,) = looked_up["names"]
        environment = SERVICES[name]["environment"]
        assert str(looked_up["port"]) == environment["FUNDWATCH_METRICS_PORT"]
        assert environment["FUNDWATCH_HOST"] == "0.0.0.0"
        assert "FUNDWATCH_METRICS_TOKEN" not in environment, "Prometheus would have to send it"
        assert set(SERVICES[name]["networks"]) & set(SERVICES["prometheus"]["networks"])
        scraped.add(name)
    assert scraped == {"worker", "api", "gateway"}

    mounted = [volume.split(":")[1] for volume in SERVICES["grafana"]["volumes"]]
    for file in (monitoring / "grafana" / "provisioning" / "dashboards").glob("*.yml"):
        for provider in yaml.safe_load(file.read_text(encoding="utf-8"))["providers"]:
            assert provider["options"]["path"] in mounted
    assert "/etc/grafana/provisioning" in mounted


# --- manifests


@pytest.mark.parametrize("document", MANIFESTS, ids=_named)
def test_manifest_follows_its_schema(document: dict[str, Any]) -> None:
    if document["kind"] == "ScaledObject":
        schema = json.loads((Path(__file__).parent / "scaled_object.schema.json").read_text(encoding="utf-8"))
        jsonschema.validate(document, schema)
        behavior = document["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
        document = _autoscaler(behavior)
    assert kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)


def _autoscaler(behavior: dict[str, Any]) -> dict[str, Any]:
    """What KEDA makes of a behaviour: it goes into a HorizontalPodAutoscaler as it is."""
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "any"}
    spec = {"scaleTargetRef": target, "maxReplicas": 1, "behavior": behavior}
    return {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "spec": spec}


def test_every_manifest_is_listed_and_the_secret_is_not() -> None:
    for folder in FOLDERS:
        listed = yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))["resources"]
        present = {path.name for path in folder.glob("*.yaml")} - {"kustomization.yaml", "secret.example.yaml"}
        assert set(listed) == present - {"secret.yaml"}
    assert {value for secret in _manifests("Secret") for value in secret["stringData"].values()} == {""}


@pytest.mark.parametrize("pod", _pods(), ids=lambda pod: pod["metadata"]["labels"]["app.kubernetes.io/component"])
def test_every_pod_is_restricted(pod: dict[str, Any]) -> None:
    """What the Pod Security Standard "restricted" asks for, and no token, no writable root, bounded scratch."""
    spec, container = pod["spec"], _container(pod)
    assert (
        _manifest("Namespace", "fundwatch")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    )
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert f"USER {spec['securityContext']['runAsUser']}:{spec['securityContext']['runAsGroup']}\n" in CONTAINERFILE
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert spec["automountServiceAccountToken"] is False
    account = _manifest("ServiceAccount", spec["serviceAccountName"])
    assert account["automountServiceAccountToken"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
    given = [volume["name"] for volume in spec["volumes"] if volume.keys() & {"secret", "configMap"}]
    assert all("sizeLimit" in volume["emptyDir"] for volume in spec["volumes"] if volume["name"] not in given)
    assert all(mount["readOnly"] for mount in container["volumeMounts"] if mount["name"] in given)
    mounted = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    rules = {path for path in mounted if path.startswith("/etc/fundwatch/rules/")}
    journals = {path for path in mounted if path == f"{HOME}/journals"}
    assert mounted.keys() - rules - journals == {"/tmp", HOME, "/etc/fundwatch/kafka"}
    assert set(mounted.values()) == {volume["name"] for volume in spec["volumes"]} | {
        mounted[path] for path in journals
    }
    assert container["resources"].keys() == {"requests", "limits"}
    assert "memory" in container["resources"]["limits"]


def test_each_gateway_keeps_its_journal_on_a_volume_of_its_own_that_outlives_it() -> None:
    gateway = _manifest("StatefulSet", "fundwatch-gateway")["spec"]
    (claim,) = gateway["volumeClaimTemplates"]
    mounted = {mount["name"]: mount["mountPath"] for mount in _container(gateway["template"])["volumeMounts"]}
    assert mounted[claim["metadata"]["name"]] == f"{HOME}/journals" == str(Settings(home=Path(HOME)).journals)
    assert gateway["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}
    size = int(claim["spec"]["resources"]["requests"]["storage"].removesuffix("Gi")) * 1024
    assert size > Settings().journal_most_mb + 32


def test_rules_are_mounted_topic_by_topic_where_they_are_published_from() -> None:
    pod = _pod_of("publish")
    command, verb, folder, *_ = _container(pod)["args"]
    assert (command, verb) == ("rules", "publish")
    volumes = {
        volume["name"]: volume["configMap"]["name"] for volume in pod["spec"]["volumes"] if "configMap" in volume
    }
    topics = {path.name for path in RULES.iterdir()}
    assert volumes == {topic: f"fundwatch-rules-{topic}" for topic in topics}
    mounted = {mount["name"]: mount["mountPath"] for mount in _container(pod)["volumeMounts"]}
    assert {name: mounted[name] for name in volumes} == {topic: f"{folder}/{topic}" for topic in topics}
    assert "fundwatch-rules-" in (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("pod", _pods(), ids=lambda pod: pod["metadata"]["labels"]["app.kubernetes.io/component"])
def test_no_service_can_set_a_setting_by_its_name(pod: dict[str, Any]) -> None:
    """A Service named fundwatch would give every pod FUNDWATCH_PORT=tcp://..., which is no port."""
    assert pod["spec"]["enableServiceLinks"] is False
    assert all(service["metadata"]["name"] != "fundwatch" for service in _manifests("Service"))


def test_selectors_select_the_pods_that_are_meant() -> None:
    for deployment in (*_manifests("Deployment"), *_manifests("StatefulSet")):
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        assert deployment["spec"]["selector"]["matchLabels"] == labels
        for constraint in deployment["spec"]["template"]["spec"]["topologySpreadConstraints"]:
            assert constraint["labelSelector"]["matchLabels"] == labels
    for kind in ("Service", "PodDisruptionBudget"):
        for document in _manifests(kind):
            selector = document["spec"]["selector"]
            selected = [pod for pod in _pods() if _selects(selector.get("matchLabels", selector), pod)]
            component = document["metadata"]["name"].removeprefix("fundwatch-")
            assert selected == [_pod_of(component)]


def test_ports_are_the_same_wherever_they_are_named() -> None:
    settings = _manifest("ConfigMap", "fundwatch-settings")["data"]
    metrics = ("metrics", int(settings["FUNDWATCH_METRICS_PORT"]))
    http = ("http", int(settings["FUNDWATCH_PORT"]))
    asked = ("http", int(settings["FUNDWATCH_GATEWAY_PORT"]))
    for name, ports in (("worker", [metrics]), ("api", [http, metrics]), ("gateway", [asked, metrics])):
        pod = _pod_of(name)
        assert [(port["name"], port["containerPort"]) for port in _container(pod)["ports"]] == ports
        assert pod["metadata"]["annotations"]["prometheus.io/port"] == settings["FUNDWATCH_METRICS_PORT"]
        assert SERVICES[name]["environment"]["FUNDWATCH_METRICS_PORT"] == settings["FUNDWATCH_METRICS_PORT"]
    for name in ("fundwatch-api", "fundwatch-gateway"):
        assert _manifest("Service", name)["spec"]["ports"][0]["targetPort"] == "http"
    assert f"EXPOSE {http[1]} {asked[1]} {metrics[1]}\n" in CONTAINERFILE
    assert (http[1], asked[1]) == (Settings().port, Settings().gateway_port)
    assert SERVICES["gateway"]["ports"][0].endswith(f":{Settings().gateway_port}")
    assert SERVICES["api"]["ports"][0].endswith(f":{Settings().port}")
    open_ports = {
        _named(policy): [port["port"] for way in policy["spec"]["ingress"] for port in way["ports"]]
        for policy in _manifests("NetworkPolicy")
        if "ingress" in policy["spec"]
    }
    assert open_ports == {
        "NetworkPolicy/to-the-desk": [http[1]],
        "NetworkPolicy/to-the-gateway": [asked[1]],
        "NetworkPolicy/to-the-metrics": [metrics[1]],
    }
    ways_in = _manifest("NetworkPolicy", "to-the-metrics")["spec"]["podSelector"]["matchLabels"]
    assert all(_selects(ways_in, _pod_of(name)) for name in ("worker", "api", "gateway"))


def test_ways_out_lead_to_names_the_database_and_the_bus_alone() -> None:
    closed = _manifest("NetworkPolicy", "nothing-else")["spec"]
    assert closed == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    ways = _manifest("NetworkPolicy", "to-database-and-bus")["spec"]
    assert all(_selects(ways["podSelector"]["matchLabels"], pod) for pod in _pods())
    brokers = _manifest("ConfigMap", "fundwatch-settings")["data"]["FUNDWATCH_BROKERS"].split(",")
    ports = {port["port"] for way in ways["egress"] for port in way["ports"]}
    assert ports == {53, 5432} | {int(broker.rpartition(":")[2]) for broker in brokers}


def _probes() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for name in ("worker", "api"):
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            yield name, probe, _container(_pod_of(name))[probe]


def test_probes_ask_what_answers() -> None:
    routes = {
        route.path
        for route in health_router(cast(Pool, None), cast(RuleSets, None)).routes
        if isinstance(route, APIRoute)
    }
    for name, probe, words in _probes():
        assert words["httpGet"]["port"] == ("metrics" if name == "worker" else "http")
        expected = "/ready" if probe == "readinessProbe" else "/health"
        assert words["httpGet"]["path"] == expected
        assert expected in routes
    paths = {re.findall(r"\d+(/[a-z]+)", SERVICES[name]["healthcheck"]["test"][-1])[0] for name in ("worker", "api")}
    assert paths == {"/health", "/ready"}
    assert "/health\\" in CONTAINERFILE


def test_the_gateways_probes_ask_what_it_answers() -> None:
    """What the server answers to them: tests/api/hospital/test_gateway.py."""
    gateway = _container(_pod_of("gateway"))
    asked = {probe: gateway[probe]["httpGet"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert {(of["port"], of["path"]) for of in asked.values()} == {("http", "/health/live"), ("http", "/health/ready")}
    assert asked["readinessProbe"]["path"] == "/health/ready"
    assert "/health/live'" in SERVICES["gateway"]["healthcheck"]["test"][-1]


def test_a_node_can_be_drained() -> None:
    running = {
        document["metadata"]["name"]: document
        for kind in ("Deployment", "StatefulSet")
        for document in _manifests(kind)
    }
    for budget in _manifests("PodDisruptionBudget"):
        deployment = running[budget["metadata"]["name"]]
        assert deployment["spec"]["replicas"] > budget["spec"]["maxUnavailable"] >= 1


def test_an_end_has_the_time_that_a_batch_may_take() -> None:
    for pod in map(_pod_of, ("worker", "api", "gateway")):
        waits = _container(pod).get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        assert pod["spec"]["terminationGracePeriodSeconds"] > 2 * LONGEST_END + waits
    assert int(SERVICES["worker"]["stop_grace_period"].removesuffix("s")) > 2 * LONGEST_END


def test_scaling_stays_within_what_there_is_to_share_out() -> None:
    scaled = _manifest("ScaledObject", "fundwatch-worker")["spec"]
    assert _manifest("Deployment", scaled["scaleTargetRef"]["name"])["spec"]["replicas"] == scaled["minReplicaCount"]
    partitions = int(_manifest("ConfigMap", "fundwatch-settings")["data"]["FUNDWATCH_CLAIMS_PARTITIONS"])
    assert 2 <= scaled["minReplicaCount"] <= scaled["maxReplicaCount"] <= partitions
    assert SERVICES["worker"]["deploy"]["replicas"] <= Settings().claims_partitions
    (trigger,) = scaled["triggers"]
    assert f'group="{JUDGES}"' in trigger["metadata"]["query"]


def test_scaling_asks_for_a_metric_that_workers_have() -> None:
    query = _manifest("ScaledObject", "fundwatch-worker")["spec"]["triggers"][0]["metadata"]["query"]
    (metric,) = re.findall(r"fundwatch_([a-z_]+)", query)
    lag = Lag(JUDGES, CLAIMS, partition=0, next=3, end=5, owner=None)
    collector = StoreCollector()
    collector.condition = Condition([], 0, 0, 1, 0, 0, 0, 0, 0, None, 0, 0, 0, 0)
    collector.lags = [lag]
    (found,) = [family for family in collector.collect() if family.name == f"fundwatch_{metric}"]
    assert [(sample.labels["group"], sample.value) for sample in found.samples] == [(JUDGES, 2)]


# --- operations


def test_operations_name_commands_alerts_and_files_that_exist() -> None:
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    commands = set(getattr(typer.main.get_command(app), "commands", {}))
    named = set(re.findall(r"(?:`|^    )fundwatch ([a-z][a-z-]*)", text, re.MULTILINE))
    assert {"doctor", "reconcile", "resend-findings"} <= named <= commands
    alerts = (DEPLOY / "monitoring" / "alerts.yml").read_text(encoding="utf-8")
    spoken_of = set(re.findall(r"alerts? ([A-Z][A-Za-z, ]+?)(?: in | \|)", text))
    words = {name for names in spoken_of for name in re.findall(r"[A-Z][a-z]+[A-Z][A-Za-z]+", names)}
    assert len(words) >= 5
    assert words <= set(re.findall(r"- alert: (\w+)", alerts))
    paths = re.findall(r"(?:deploy|tests|bench)/[\w./-]+\.(?:ya?ml|py|json)", text)
    assert paths
    assert [path for path in paths if not (ROOT / path).exists() and "secret.yaml" not in path] == []
