// SPDX-License-Identifier: Apache-2.0
//
// net/http. Jobs as JSON lines on stdin; http1 as an argument turns HTTP/2 off.

package main

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
)

type job struct {
	Nonce, Host, Path, Body string
	Port                    int
	Headers                 map[string]string
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "http1" {
		http.DefaultTransport.(*http.Transport).TLSNextProto =
			map[string]func(string, *tls.Conn) http.RoundTripper{}
	}
	lines := bufio.NewReader(os.Stdin)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var j job
		if err := json.Unmarshal(line, &j); err != nil {
			panic(err)
		}
		url := fmt.Sprintf("https://%s:%d%s", j.Host, j.Port, j.Path)
		request, _ := http.NewRequest("POST", url, strings.NewReader(j.Body))
		for name, value := range j.Headers {
			request.Header.Set(name, value)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			panic(err)
		}
		received, _ := io.ReadAll(response.Body)
		response.Body.Close()
		result, _ := json.Marshal(map[string]any{"nonce": j.Nonce, "received": string(received)})
		fmt.Println(string(result))
	}
}
