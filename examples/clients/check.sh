#!/bin/sh
# Issues a code for a number, reads the code that the person typed from stdin, and checks it: `check.sh +41791234567`.
# Prints `approved` or `not approved`, and ends with 0 or 1.
set -eu
phone=$(printf %s "$1" | tr -cd '+0-9')

api() {
    curl -sS --fail-with-body --unix-socket "${SMSOTP_SOCKET:-/run/smsotpd/smsotpd.sock}" \
        -H 'Content-Type: application/json' "$@"
}

# With the same key, a request that is repeated after a lost answer sends nothing again.
key=$(cat /proc/sys/kernel/random/uuid)
issued=$(api http://localhost/v1/verifications -H "Idempotency-Key: $key" -d "{\"to\": \"$phone\"}") || {
    echo "$issued" >&2
    exit 1
}
id=$(printf %s "$issued" | sed -n 's/.*"id": *"\(ver_[^"]*\)".*/\1/p')

read -r code
code=$(printf %s "$code" | tr -cd '[:alnum:]')
case $(api "http://localhost/v1/verifications/$id/check" -d "{\"code\": \"$code\"}") in
*'"approved":true'*)
    echo approved
    ;;
*)
    echo "not approved"
    exit 1
    ;;
esac
