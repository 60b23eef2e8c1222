// Follows the events from an id on, 0 for all that are kept: `go run events.go [ID]`. Prints a line of JSON for each.
package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

var since = strings.Join(os.Args[1:], "")

// follow reads one connection to its end (HTML standard, section 9.2: server-sent events).
func follow(client *http.Client) error {
	url := "http://localhost/v1/events"
	if since != "" {
		url += "?since=" + since
	}
	response, err := client.Get(url)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		fmt.Fprintln(os.Stderr, "the daemon refused: has this user's client the right `read`?")
		os.Exit(1)
	}
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, 1024*1024)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimSpace(value)
		switch {
		case name == "id":
			since = value
		case name == "data" && value != "":
			fmt.Println(value)
		}
	}
	return lines.Err()
}

func main() {
	path := os.Getenv("SMSOTP_SOCKET")
	if path == "" {
		path = "/run/smsotpd/smsotpd.sock"
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}
	client := &http.Client{Transport: &http.Transport{DialContext: dial}}
	for {
		if err := follow(client); err != nil {
			fmt.Fprintf(os.Stderr, "%v; tries again\n", err)
		}
		// The daemon restarts.
		time.Sleep(time.Second)
	}
}
