#!/bin/sh
# Follows the events from an id on, 0 for all that are kept: `events.sh [ID]`. Prints a line of JSON for each.
set -eu
exec curl -sS -N --unix-socket "${SMSOTP_SOCKET:-/run/smsotpd/smsotpd.sock}" \
    -H 'Accept: text/event-stream' "http://localhost/v1/events${1:+?since=$1}" | sed -un 's/^data: *//p'
