"""Issues a code for a number and checks the lines of stdin, with the package that openapi-python-client makes.

Called with a number; `$SMSOTP_SOCKET` is the daemon's socket.
"""

import os
import sys

import httpx
from smsotpd_client import Client
from smsotpd_client.api.verifications import check, issue
from smsotpd_client.models import CheckBody, CheckResponse200, IssueRequest, Verification, VerificationStatus

client = Client(base_url="http://localhost", raise_on_unexpected_status=True)
transport = httpx.HTTPTransport(uds=os.environ["SMSOTP_SOCKET"])
client.set_httpx_client(httpx.Client(base_url="http://localhost", transport=transport))

issued = issue.sync(client=client, body=IssueRequest(to=sys.argv[1]))
assert isinstance(issued, Verification) and issued.status is VerificationStatus.PENDING, issued
for line in sys.stdin:
    checked = check.sync(issued.id, client=client, body=CheckBody(code=line.strip()))
    assert isinstance(checked, CheckResponse200), checked
    word = "approved" if checked.approved else "not approved"
    print(f"{word}: {checked.status.value}, {checked.attempts_left} left")
