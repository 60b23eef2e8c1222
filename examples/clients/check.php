#!/usr/bin/env php
<?php
// Issues a code for a number, reads the code that the person typed from stdin, and checks it: `check.php +41791234567`.
// Prints `approved` or `not approved`, and ends with 0 or 1. Needs the extension curl.
declare(strict_types=1);

/** The answer to a request; a refusal is an exception with the daemon's sentence. */
function post(string $path, array $body, array $headers = []): array
{
    $curl = curl_init('http://localhost' . $path);
    curl_setopt_array($curl, [
        CURLOPT_UNIX_SOCKET_PATH => getenv('SMSOTP_SOCKET') ?: '/run/smsotpd/smsotpd.sock',
        CURLOPT_POSTFIELDS => json_encode($body, JSON_THROW_ON_ERROR),
        CURLOPT_HTTPHEADER => ['Content-Type: application/json', ...$headers],
        CURLOPT_RETURNTRANSFER => true,
        CURLOPT_TIMEOUT => 60,
    ]);
    $text = curl_exec($curl);
    if ($text === false) {
        throw new RuntimeException(curl_error($curl));
    }
    $answer = json_decode($text, true, flags: JSON_THROW_ON_ERROR);
    if (curl_getinfo($curl, CURLINFO_RESPONSE_CODE) >= 400) {
        throw new RuntimeException("{$answer['code']}: {$answer['detail']}");
    }
    return $answer;
}

try {
    // With the same key, a request that is repeated after a lost answer sends nothing again.
    $issued = post('/v1/verifications', ['to' => $argv[1]], ['Idempotency-Key: ' . bin2hex(random_bytes(16))]);
    $checked = post("/v1/verifications/{$issued['id']}/check", ['code' => trim((string) fgets(STDIN))]);
} catch (RuntimeException | JsonException $e) {
    fwrite(STDERR, $e->getMessage() . "\n");
    exit(1);
}
echo $checked['approved'] ? "approved\n" : "not approved\n";
exit($checked['approved'] ? 0 : 1);
