// The load generator of `make bench`: plain sockets, one goroutine a connection, as little work a request as can be.
// It speaks just enough HTTP/1.1 for the answers of registries: a status line, Content-Length or chunked bodies, kept
// connections. Usage: client JOB.json; the result is one JSON object on standard output.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"sort"
	"sync"
	"time"
)

// Job is what is asked for.
type Job struct {
	// "read": Requests over and over. "heads": the same, of answers without a body. "push": Count new blobs.
	Mode        string
	Address     string
	TLS         bool
	Connections int
	// Seconds until no new request begins.
	Seconds float64
	// Requests that are ended, at most; 0 means no bound.
	Count int
	// Whole requests for "read", sent in turn.
	Requests []string
	// Status that is right.
	Status int
	Push   Push
	// Processors that the client may use at once.
	Threads int
	blobs   chan blob
}

// Result is what came of it.
type Result struct {
	Requests int
	Bytes    int64
	Errors   int
	// The first of them.
	Error   string
	Seconds float64
	// Milliseconds.
	P50, P90, P99, Max float64
}

type tally struct {
	sync.Mutex
	result    Result
	latencies []time.Duration
	left      int
	bounded   bool
}

func (t *tally) take() bool {
	t.Lock()
	defer t.Unlock()
	if !t.bounded {
		return true
	}
	if t.left <= 0 {
		return false
	}
	t.left--
	return true
}

func (t *tally) add(requests int, bytes int64, latencies []time.Duration) {
	t.Lock()
	defer t.Unlock()
	t.result.Requests += requests
	t.result.Bytes += bytes
	t.latencies = append(t.latencies, latencies...)
}

func (t *tally) fail(err error) {
	t.Lock()
	defer t.Unlock()
	t.result.Errors++
	if t.result.Error == "" {
		t.result.Error = err.Error()
	}
}

func main() {
	job := Job{Threads: 1}
	text, err := os.ReadFile(os.Args[1])
	if err == nil {
		err = json.Unmarshal(text, &job)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	runtime.GOMAXPROCS(job.Threads)
	json.NewEncoder(os.Stdout).Encode(perform(job))
}

func perform(job Job) Result {
	total := &tally{left: job.Count, bounded: job.Count > 0}
	work := read
	if job.Mode == "push" {
		work = push
		job.blobs = prepare(job)
	}
	began := time.Now()
	until := began.Add(time.Duration(job.Seconds * float64(time.Second)))
	var all sync.WaitGroup
	if job.Mode == "heads" {
		heads(job, until, total)
		job.Connections = 0
	}
	for number := 0; number < job.Connections; number++ {
		all.Add(1)
		go func() {
			defer all.Done()
			work(job, number, until, total)
		}()
	}
	all.Wait()
	result := total.result
	result.Seconds = time.Since(began).Seconds()
	sort.Slice(total.latencies, func(a, b int) bool { return total.latencies[a] < total.latencies[b] })
	at := func(share float64) float64 {
		if len(total.latencies) == 0 {
			return 0
		}
		return float64(total.latencies[int(share*float64(len(total.latencies)-1)+0.5)].Microseconds()) / 1000
	}
	result.P50, result.P90, result.P99, result.Max = at(0.5), at(0.9), at(0.99), at(1)
	return result
}

// read sends the requests in turn on one kept connection, and a new one after an error.
func read(job Job, number int, until time.Time, total *tally) {
	requests := make([][]byte, len(job.Requests))
	for index, text := range job.Requests {
		requests[index] = []byte(text)
	}
	var link *link
	var count int
	var bytes int64
	var latencies []time.Duration
	defer func() {
		total.add(count, bytes, latencies)
		if link != nil {
			link.socket.Close()
		}
	}()
	for failures, turn := 0, number; failures < 5 && time.Now().Before(until) && total.take(); turn++ {
		if link == nil {
			opened, err := dial(job)
			if err != nil {
				failures++
				total.fail(err)
				continue
			}
			link = opened
		}
		sent := time.Now()
		answer, err := link.exchange(requests[turn%len(requests)], nil)
		if err == nil && answer.status != job.Status {
			err = fmt.Errorf("status %d, not %d", answer.status, job.Status)
		}
		if err != nil {
			failures++
			total.fail(err)
			link.socket.Close()
			link = nil
			continue
		}
		count++
		bytes += answer.bytes
		latencies = append(latencies, time.Since(sent))
		if answer.closes {
			link.socket.Close()
			link = nil
		}
	}
}
