package main

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Push says which blobs are pushed, and how.
type Push struct {
	Repository string
	Size       int
	// Bytes a PATCH; 0 pushes with one PUT.
	Chunk int
	// Value of Authorization, where one is needed.
	Authorization string
}

const piece = 1 << 20

// Random bytes that every blob consists of, but for its first eight.
var filling = sync.OnceValue(func() []byte {
	bytes := make([]byte, piece)
	rand.New(rand.NewSource(time.Now().UnixNano())).Read(bytes)
	return bytes
})

// push uploads blobs that were made before the clock started, on one kept connection: POST, then PUT, or PATCH by PATCH and PUT.
func push(job Job, _ int, until time.Time, total *tally) {
	link, err := dial(job)
	if err != nil {
		total.fail(err)
		return
	}
	defer link.socket.Close()
	for time.Now().Before(until) && total.take() {
		sent := time.Now()
		if err := upload(link, job, <-job.blobs); err != nil {
			total.fail(err)
			return
		}
		total.add(1, int64(job.Push.Size), []time.Duration{time.Since(sent)})
	}
}

// prepare makes blobs: hashing is the client's own work, and must not cost the server processor time.
func prepare(job Job) chan blob {
	made := make(chan blob, job.Count)
	for number := 0; number < job.Count; number++ {
		made <- newBlob(job.Push.Size)
	}
	return made
}

type blob struct {
	parts  [][]byte
	digest string
}

func newBlob(size int) blob {
	first := append([]byte(nil), filling()[:min(size, piece)]...)
	binary.LittleEndian.PutUint64(first, rand.Uint64())
	made := blob{parts: [][]byte{first}}
	hash := sha256.New()
	hash.Write(first)
	for left := size - len(first); left > 0; left -= piece {
		part := filling()[:min(left, piece)]
		made.parts = append(made.parts, part)
		hash.Write(part)
	}
	made.digest = "sha256:" + hex.EncodeToString(hash.Sum(nil))
	return made
}

func upload(link *link, job Job, blob blob) error {
	begun, err := link.exchange(head(job, "POST", "/v2/"+job.Push.Repository+"/blobs/uploads/", 0, ""), nil)
	if err != nil {
		return err
	}
	if begun.status != 202 {
		return fmt.Errorf("POST: status %d", begun.status)
	}
	location := begun.location
	rest := blob.parts
	if job.Push.Chunk > 0 {
		if location, err = chunks(link, job, blob, location); err != nil {
			return err
		}
		rest = nil
	}
	size := 0
	for _, part := range rest {
		size += len(part)
	}
	ended, err := link.exchange(head(job, "PUT", withDigest(target(location), blob.digest), size, ""), rest)
	if err == nil && ended.status != 201 {
		err = fmt.Errorf("PUT: status %d", ended.status)
	}
	return err
}

func chunks(link *link, job Job, blob blob, location string) (string, error) {
	parts := max(1, job.Push.Chunk/piece)
	for first, offset := 0, 0; first < len(blob.parts); first += parts {
		chunk := blob.parts[first:min(first+parts, len(blob.parts))]
		size := 0
		for _, part := range chunk {
			size += len(part)
		}
		bounds := fmt.Sprintf("Content-Range: %d-%d\r\n", offset, offset+size-1)
		taken, err := link.exchange(head(job, "PATCH", target(location), size, bounds), chunk)
		if err != nil {
			return "", err
		}
		if taken.status != 202 {
			return "", fmt.Errorf("PATCH: status %d", taken.status)
		}
		location = taken.location
		offset += size
	}
	return location, nil
}

func head(job Job, method, path string, length int, more string) []byte {
	if job.Push.Authorization != "" {
		more += "Authorization: " + job.Push.Authorization + "\r\n"
	}
	return []byte(fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n%s\r\n",
		method, path, job.Address, length, more))
}

func target(location string) string {
	if parsed, err := url.Parse(location); err == nil {
		return parsed.RequestURI()
	}
	return location
}

func withDigest(path, digest string) string {
	separator := "?"
	if strings.Contains(path, "?") {
		separator = "&"
	}
	return path + separator + "digest=" + digest
}
