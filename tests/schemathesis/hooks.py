"""What the description cannot say to schemathesis."""

import schemathesis

# Sound requests name what is configured, a service, a modem and keys of limits, or a filter of the log: which words those
# are, no schema can tell.
CONFIGURED = {"service": "default", "modem": "stick1", "filter": "info"}


@schemathesis.hook
def before_call(context, case, kwargs):
    if isinstance(case.body, dict):
        known = {name: word for name, word in CONFIGURED.items() if isinstance(case.body.get(name), str)}
        case.body.update(known)
        # None are configured.
        case.body.pop("keys", None)


@schemathesis.hook
def filter_headers(context, headers):
    """Blanks around a header's value are not part of it (RFC 9110, 5.5), so they cannot be what is wrong with it."""
    return all(value == value.strip(" \t") for value in (headers or {}).values() if isinstance(value, str))
