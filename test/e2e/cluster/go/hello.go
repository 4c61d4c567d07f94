// A small application for tests: answers HTTP, and does from inside a pod what a test wants to see done there.
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"
)

func main() {
	if len(os.Args) < 2 {
		serve(":8080")
		return
	}
	if err := act(os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func act(verb string, args []string) error {
	switch {
	case verb == "serve" && len(args) == 1:
		serve(args[0])
	case verb == "sleep":
		select {}
	case verb == "resolve" && len(args) == 1:
		addresses, err := net.LookupHost(args[0])
		if err != nil {
			return err
		}
		fmt.Println(addresses)
	case verb == "get" && len(args) == 1:
		return get(args[0])
	case verb == "write" && len(args) == 2:
		return os.WriteFile(args[0], []byte(args[1]), 0o600)
	case verb == "read" && len(args) == 1:
		content, err := os.ReadFile(args[0])
		if err != nil {
			return err
		}
		_, err = os.Stdout.Write(content)
		return err
	default:
		return fmt.Errorf("usage: hello [serve ADDRESS | sleep | resolve NAME | get URL | write FILE TEXT | read FILE]")
	}
	return nil
}

func serve(address string) {
	greeting := os.Getenv("GREETING")
	if greeting == "" {
		greeting = "hello"
	}
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, greeting) })
	fmt.Fprintln(os.Stderr, http.ListenAndServe(address, nil))
	os.Exit(1)
}

func get(url string) error {
	client := http.Client{Timeout: 10 * time.Second}
	response, err := client.Get(url)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, response.Status)
	}
	_, err = io.Copy(os.Stdout, response.Body)
	return err
}
