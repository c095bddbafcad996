"""Print requirements that pyproject.toml declares, one on a line, without building the project.

Usage: requirements.py [--oldest] part ...
A part is "build" (build-system.requires), "runtime" (dependencies) or the name of an extra. --oldest turns every lower
bound into that very version: constraints for a test of the oldest supported dependencies.
"""

import argparse
from pathlib import Path

try:
    import tomllib
except ImportError:  # Python 3.10
    from pip._vendor import tomli as tomllib


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--oldest", action="store_true")
    parser.add_argument("parts", nargs="+")
    arguments = parser.parse_args()
    declared = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
    project = declared["project"]
    known = {
        "build": declared["build-system"]["requires"],
        "runtime": project["dependencies"],
        **project["optional-dependencies"],
    }
    for part in arguments.parts:
        for requirement in known[part]:
            if not requirement.startswith(project["name"]):
                print(requirement.split(",")[0].replace(">=", "==") if arguments.oldest else requirement)


if __name__ == "__main__":
    main()
