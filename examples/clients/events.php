#!/usr/bin/env php
<?php
// Follows the events from an id on, 0 for all that are kept: `events.php [ID]`. Prints a line of JSON for each.
declare(strict_types=1);

$socket = getenv('SMSOTP_SOCKET') ?: '/run/smsotpd/smsotpd.sock';
$since = $argv[1] ?? '';
for (;;) {
    $stream = @stream_socket_client("unix://$socket", $code, $why);
    if ($stream) {
        stream_set_timeout($stream, 75);
        $query = $since === '' ? '' : "?since=$since";
        // HTTP/1.0 has no chunks in the body.
        fwrite($stream, "GET /v1/events$query HTTP/1.0\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n");
        if (!str_contains((string) fgets($stream), ' 200 ')) {
            fwrite(STDERR, "the daemon refused: has this user's client the right `read`?\n");
            exit(1);
        }
        while (($line = fgets($stream)) !== false) {
            [$name, $value] = explode(':', trim($line), 2) + ['', ''];
            if ($name === 'id') {
                $since = trim($value);
            } elseif ($name === 'data' && trim($value) !== '') {
                echo trim($value), "\n";
            }
        }
    } else {
        fwrite(STDERR, "$why; tries again\n");
    }
    // The daemon restarts.
    sleep(1);
}
