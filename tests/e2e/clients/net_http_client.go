// SPDX-License-Identifier: Apache-2.0
//
// Go's net/http, unmodified. Jobs as JSON lines on stdin, parallelism in the last argument.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

type job struct {
	Nonce   string            `json:"nonce"`
	Host    string            `json:"host"`
	Port    int               `json:"port"`
	Path    string            `json:"path"`
	Plain   bool              `json:"plain"`
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
	Mark    string            `json:"content_mark"`
}

func call(j job) (map[string]any, error) {
	scheme := "https"
	if j.Plain {
		scheme = "http"
	}
	url := fmt.Sprintf("%s://%s:%d%s", scheme, j.Host, j.Port, j.Path)
	request, err := http.NewRequest("POST", url, bytes.NewReader([]byte(j.Body)))
	if err != nil {
		return nil, err
	}
	for name, value := range j.Headers {
		request.Header.Set(name, value)
	}
	start := time.Now().UnixNano()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	var received strings.Builder
	var first any
	buffer := make([]byte, 65536)
	for {
		n, err := response.Body.Read(buffer)
		received.Write(buffer[:n])
		if first == nil && strings.Contains(received.String(), j.Mark) {
			first = time.Now().UnixNano()
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	return map[string]any{"nonce": j.Nonce, "status": response.StatusCode, "start_ns": start,
		"first_ns": first, "end_ns": time.Now().UnixNano(), "received": received.String()}, nil
}

func main() {
	parallel, _ := strconv.Atoi(os.Args[len(os.Args)-1])
	http.DefaultTransport.(*http.Transport).MaxIdleConnsPerHost = parallel
	jobs := make(chan job)
	var done sync.WaitGroup
	var out sync.Mutex
	for range parallel {
		done.Add(1)
		go func() {
			defer done.Done()
			for j := range jobs {
				result, err := call(j)
				if err != nil {
					fmt.Fprintln(os.Stderr, err)
					continue
				}
				line, _ := json.Marshal(result)
				out.Lock()
				fmt.Println(string(line))
				out.Unlock()
			}
		}()
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var j job
		if json.Unmarshal(lines.Bytes(), &j) == nil {
			jobs <- j
		}
	}
	close(jobs)
	done.Wait()
}
