// SPDX-License-Identifier: Apache-2.0

// Go's net/http (HTTP/2) and a Go WebSocket library as peers: reads jobs, one JSON object per line,
// and does them; one line per job that was answered.
// Usage: peers http2|websocket [QUERY] PARALLEL
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/coder/websocket"
)

type job struct {
	Nonce   string            `json:"nonce"`
	Host    string            `json:"host"`
	Port    int               `json:"port"`
	Path    string            `json:"path"`
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func jobs() []job {
	var all []job
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var j job
		check(json.Unmarshal(lines.Bytes(), &j))
		all = append(all, j)
	}
	return all
}

func post(j job) {
	request, err := http.NewRequest("POST", fmt.Sprintf("https://%s:%d%s", j.Host, j.Port, j.Path),
		strings.NewReader(j.Body))
	check(err)
	for name, value := range j.Headers {
		request.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(request)
	check(err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	check(err)
	fmt.Printf("{\"nonce\":%q,\"status\":%d,\"major\":%d,\"bytes\":%d}\n", j.Nonce,
		response.StatusCode, response.ProtoMajor, len(body))
}

func http2(all []job, parallel int) {
	var group sync.WaitGroup
	gate := make(chan struct{}, parallel)
	for _, j := range all {
		group.Add(1)
		gate <- struct{}{}
		go func() {
			defer group.Done()
			post(j)
			<-gate
		}()
	}
	group.Wait()
}

func socket(all []job, query string) {
	mode := websocket.CompressionContextTakeover
	if strings.HasSuffix(query, "none") {
		mode = websocket.CompressionNoContextTakeover
	}
	ctx := context.Background()
	conn, _, err := websocket.Dial(ctx, fmt.Sprintf("wss://%s:%d/v1/responses?%s", all[0].Host,
		all[0].Port, query), &websocket.DialOptions{CompressionMode: mode, CompressionThreshold: 1})
	check(err)
	conn.SetReadLimit(1 << 24)
	for _, j := range all {
		var body struct {
			Messages json.RawMessage `json:"messages"`
		}
		check(json.Unmarshal([]byte(j.Body), &body))
		check(conn.Write(ctx, websocket.MessageText, []byte(fmt.Sprintf(
			`{"type":"response.create","model":"gpt-4o","input":%s}`, body.Messages))))
		for {
			_, message, err := conn.Read(ctx)
			check(err)
			var event struct {
				Type     string
				Response struct{ Usage json.RawMessage }
			}
			check(json.Unmarshal(message, &event))
			if event.Type == "response.completed" {
				fmt.Printf("{\"nonce\":%q,\"usage\":%s}\n", j.Nonce, event.Response.Usage)
				break
			}
		}
	}
	conn.Close(websocket.StatusNormalClosure, "")
}

func main() {
	arguments := os.Args[1:]
	parallel, err := strconv.Atoi(arguments[len(arguments)-1])
	check(err)
	if arguments[0] == "http2" {
		http2(jobs(), parallel)
	} else {
		socket(jobs(), arguments[1])
	}
}
