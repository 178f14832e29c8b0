"""Sending many requests to one node, and counting what comes of them."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, cast

import requests

from fuzzing.judging import Failure, code_in, judge, no_answer
from fuzzing.library import TIMEOUT, Endpoint, Request, endpoints, send
from fuzzing.words import Words
from p2pnode.oicp.codec import members_in
from p2pnode.oicp.operations import AUTHORIZE_START
from p2pnode.web.samples import sample_request

REPLACED = 0.3
"""How often a member of a sample is replaced by a generated one."""
OWN_PATH = 0.9
"""How often the id in the path is the caller's own."""
VARIANTS = {True: 3, False: 2}
"""How many requests are made of a generated one at most, where it is right and where it is wrong."""
ROUNDS = 20
"""How often generation is begun again where it gave fewer requests than asked for."""


@dataclass(slots=True)
class Tally:
    """What became of the requests to one path."""

    path: str
    requests: int = 0
    http: Counter[int] = field(default_factory=Counter[int])
    codes: Counter[str] = field(default_factory=Counter[str])
    slowest: float = 0.0
    failures: list[Failure] = field(default_factory=list[Failure])


@dataclass(frozen=True, slots=True)
class Target:
    """The node under test: its OICP base, its description, and values it knows."""

    base: str
    document: Mapping[str, Any]
    words: Words


def fuzz(target: Target, count: int, number: int) -> Iterator[Tally]:
    """Send at least `count` requests, as many to each path, half of them right; `number` is the seed.

    Gives one tally after each path.
    """
    found = tuple(endpoints(target.document))
    each = -(-count // (2 * len(found)))
    with requests.Session() as session:
        for endpoint in found:
            run = _Run(target, endpoint, session, Random(number))  # noqa: S311 - to be repeated, not to be secret
            run.send(each, number, right=True)
            run.send(each, number, right=False)
            yield run.tally


class _Run:
    """The requests to one path."""

    def __init__(self, target: Target, endpoint: Endpoint, session: requests.Session, random: Random) -> None:
        self.tally = Tally(endpoint.path)
        self._target = target
        self._endpoint = endpoint
        self._session = session
        self._random = random
        content = target.document["paths"][endpoint.path]["post"]["requestBody"]["content"]["application/json"]
        self._samples: list[dict[str, Any]] = [example["value"] for example in content["examples"].values()]

    def send(self, count: int, number: int, *, right: bool) -> None:
        """Send `count` requests, right or wrong ones."""
        wanted = self.tally.requests + count

        def use(made: Request) -> None:
            for request in self._variants(made, right=right):
                if self.tally.requests < wanted:
                    self._exchange(request)

        for again in range(ROUNDS):
            missing = wanted - self.tally.requests
            if missing > 0:
                self._endpoint.requests(-(-missing // VARIANTS[right]), number + again, use, right=right)

    def _variants(self, made: Request, *, right: bool) -> Iterator[Request]:
        """A request as it was made, with values the node knows, and as a sample of which some members are replaced."""
        for name in made.path_parameters:
            if self._random.random() < OWN_PATH:
                made.path_parameters[name] = self._target.words.identifier(name)
        body: Any = made.body
        if not isinstance(body, dict):
            yield made
            return
        members = cast("dict[str, Any]", body)
        yield self._endpoint.request(made, self._target.words.owned(members)) if right else made
        yield self._endpoint.request(made, self._target.words.told(members))
        if right:
            replaced = {name: value for name, value in members.items() if self._random.random() < REPLACED}
            sample = {**self._random.choice(self._samples), **replaced}
            yield self._endpoint.request(made, self._target.words.told(sample))

    def _exchange(self, request: Request) -> None:
        tally = self.tally
        tally.requests += 1
        try:
            response = send(request, self._target.base, self._session)
        except requests.RequestException as error:
            tally.failures.append(no_answer(request, error))
            return
        answer = members_in(response.content)
        tally.http[response.status_code] += 1
        tally.codes[code_in(answer)] += 1
        tally.slowest = max(tally.slowest, response.elapsed)
        tally.failures += judge(request, response)
        self._target.words.learn(answer)


def is_serving(target: Target) -> bool:
    """Whether the node still answers as it should: its description, and a request that is right."""
    caller, node = target.words.caller, target.words.node
    body = sample_request(AUTHORIZE_START, caller.operator_id, node.provider_id)
    url = target.base + AUTHORIZE_START.url_path(caller.operator_id)
    answer = requests.post(url, body, headers={"Content-Type": "application/json"}, timeout=TIMEOUT)
    return describe(target.base) == target.document and answer.ok and "AuthorizationStatus" in answer.json()


def describe(base: str) -> Mapping[str, Any]:
    """The description a node serves."""
    answer = requests.get(f"{base}/openapi.json", timeout=TIMEOUT)
    answer.raise_for_status()
    document: Mapping[str, Any] = answer.json()
    return document
