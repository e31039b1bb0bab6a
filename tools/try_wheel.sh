#!/bin/sh
# try_wheel.sh FOLDER: install the wheel in it into an empty environment and use it as a newcomer does.
set -eu
wheel=$(ls "$1"/*.whl)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --only-binary :all: "$wheel"
cd "$work"
PATH="$work/venv/bin:$PATH"
quorate --version
quorate test simulated -w register -f partition --time 15s --seed 7
quorate show store/latest
quorate report store/latest
quorate check store/latest
quorate campaign tutorial --quiet
code=0
quorate test simulated --set bug=stale-read -f partition --time 15s --seed 7 >/dev/null || code=$?
test "$code" = 1 || { echo "a known bug was not found: exit $code"; exit 1; }
quorate list campaigns
quorate init --into project
echo "the wheel works: $(basename "$wheel")"
