"""Postgres in a throw-away container on the engine of this machine, published on 127.0.0.1."""

from __future__ import annotations

import contextlib
import gc
import os
import secrets
import warnings
from contextlib import ExitStack
from typing import Any

from tests.postgres.server import SETTINGS, USER, Provided, ProviderUnusableError, local_url, wait_until_ready

ENGINE_TIMEOUT_S = 2
PUBLIC_IMAGE = "postgres:15"
BUILT_IMAGE = "charter-test-postgres:15"  # what tests/docker/build-image makes


def from_container() -> Provided:
    """Start a container of the image in ``CHARTER_TEST_POSTGRES_IMAGE``, or of the known one that needs no pull.

    Raises:
        ProviderUnusableError: No engine answers within two seconds, it is on another machine, or the image fails.
    """
    try:
        from testcontainers.core.container import DockerContainer
    except ModuleNotFoundError as error:
        raise ProviderUnusableError(f"testcontainers is not installed ({error})") from error
    image = _image(_images_of_the_engine())
    password = secrets.token_urlsafe(16)
    with ExitStack() as cleanup:
        container = DockerContainer(image).with_command(["postgres", *SETTINGS])
        container.with_envs(POSTGRES_USER=USER, POSTGRES_PASSWORD=password, POSTGRES_DB=USER)
        ports: dict[str, Any] = container.ports  # typed for bare ports, though the engine takes an address with it
        ports["5432/tcp"] = ("127.0.0.1", None)  # a free port, on no other interface
        cleanup.callback(container.stop)
        try:
            container.start()
            port = int(container.get_docker_client().port(container.get_container_id(), 5432))
        except RuntimeError as error:  # testcontainers' own; those of the engine are an OSError
            raise ProviderUnusableError(f"image {image} does not start ({error})") from error
        url = local_url(password, port)
        wait_until_ready(url, alive=lambda: container.status != "exited")
        stop = cleanup.pop_all().close
    return Provided(url, f"container (testcontainers, image {image})", stop)


def _images_of_the_engine() -> set[str]:
    """Tags of the images that the engine on this machine has."""
    from docker.errors import DockerException
    from testcontainers.core.docker_client import DockerClient

    failure = ""
    with warnings.catch_warnings():
        # The client library drops the socket of a failed attempt unclosed: collected here, it troubles no test.
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            engine = DockerClient(timeout=ENGINE_TIMEOUT_S)
        except DockerException as error:
            failure = str(error)
        gc.collect()
    if failure:
        raise ProviderUnusableError(f"no container engine answers ({failure})")
    with contextlib.closing(engine.client):
        if engine.host() != "localhost":
            raise ProviderUnusableError("the container engine is not on this machine; use CHARTER_TEST_POSTGRES_URL")
        return {tag for image in engine.client.images.list() for tag in image.tags}


def _image(present: set[str]) -> str:
    asked = os.environ.get("CHARTER_TEST_POSTGRES_IMAGE")
    if asked:
        return asked
    return BUILT_IMAGE if BUILT_IMAGE in present and PUBLIC_IMAGE not in present else PUBLIC_IMAGE
