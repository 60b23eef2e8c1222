// Issues a code for a number, reads the code that the person typed from stdin, and checks it:
// `go run check.go +41791234567`. Prints `approved` or `not approved`, and ends with 0 or 1.
package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

var client = http.Client{
	Timeout: time.Minute,
	Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			path := os.Getenv("SMSOTP_SOCKET")
			if path == "" {
				path = "/run/smsotpd/smsotpd.sock"
			}
			return (&net.Dialer{}).DialContext(ctx, "unix", path)
		},
	},
}

type answer struct {
	ID       string `json:"id"`
	Approved bool   `json:"approved"`
	Code     string `json:"code"`
	Detail   string `json:"detail"`
}

// post asks the daemon; a refusal is an error with its sentence.
func post(path, key string, body map[string]string) (answer, error) {
	var a answer
	text, err := json.Marshal(body)
	if err != nil {
		return a, err
	}
	request, err := http.NewRequest("POST", "http://localhost"+path, bytes.NewReader(text))
	if err != nil {
		return a, err
	}
	request.Header.Set("Content-Type", "application/json")
	if key != "" {
		request.Header.Set("Idempotency-Key", key)
	}
	response, err := client.Do(request)
	if err != nil {
		return a, err
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(&a); err != nil {
		return a, err
	}
	if response.StatusCode >= 400 {
		return a, fmt.Errorf("%s: %s", a.Code, a.Detail)
	}
	return a, nil
}

func run(phone string) (bool, error) {
	// With the same key, a request that is repeated after a lost answer sends nothing again.
	key := make([]byte, 16)
	if _, err := rand.Read(key); err != nil {
		return false, err
	}
	issued, err := post("/v1/verifications", fmt.Sprintf("%x", key), map[string]string{"to": phone})
	if err != nil {
		return false, err
	}
	code, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if err != nil {
		return false, err
	}
	checked, err := post("/v1/verifications/"+issued.ID+"/check", "", map[string]string{"code": strings.TrimSpace(code)})
	return checked.Approved, err
}

func main() {
	approved, err := run(os.Args[1])
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	case approved:
		fmt.Println("approved")
	default:
		fmt.Println("not approved")
		os.Exit(1)
	}
}
