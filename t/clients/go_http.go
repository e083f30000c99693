package main

import (
	"net/http"
	"os"
	"strings"
)

func call(args []string) (*http.Response, error) {
	if len(args) > 1 {
		return http.Post(args[0], "application/json", strings.NewReader(args[1]))
	}

	return http.Get(args[0])
}

func main() {
	response, err := call(os.Args[1:])

	if err != nil || response.StatusCode != 200 {
		os.Exit(1)
	}
}
