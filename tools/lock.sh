#!/bin/sh
# Pins everything anew: requirements.txt with hashes, and the same pins for tutorial.py
# and for the steps. Options go to uv: sh tools/lock.sh --upgrade
set -eu
cd "$(dirname "$0")/.."
case " $* " in
*" --upgrade "*) sed -i 's/==[^ ;]*//' steps/*/requirements.txt ;;
esac
lock() {
    out=$1
    shift
    uv pip compile --quiet --universal --python-version 3.11 \
        --custom-compile-command "sh tools/lock.sh" \
        requirements/*.in --output-file "$out" "$@"
}
lock requirements.txt --generate-hashes "$@"
# pip takes no hashes in a file of constraints.
lock requirements/constraints.txt --constraints requirements.txt --no-annotate
python3 tools/pins.py
# What the image of the last step installs: the same pins, and nothing of ours.
uv pip compile --quiet --universal --python-version 3.11 --no-annotate \
    --custom-compile-command "sh tools/lock.sh" --generate-hashes \
    --constraints requirements/constraints.txt "$@" \
    steps/06-deploy/requirements.txt --output-file steps/06-deploy/requirements.lock
