"""Phone numbers in calls of the control API."""

import re

from starlette.requests import Request

from hailgate.simulator.problems import Problem

NUMBER = re.compile(r"[0-9]{5,15}")


def take_number(request: Request) -> str:
    number: str = request.path_params["number"]
    check_number(number)
    return number


def check_number(number: str) -> None:
    if not NUMBER.fullmatch(number):
        raise Problem(422, "A number is 5 to 15 digits, without a plus.")
