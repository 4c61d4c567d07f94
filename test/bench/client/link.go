package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A link is one connection to the server under test.
type link struct {
	socket net.Conn
	reader *bufio.Reader
	waste  []byte
}

type answer struct {
	status   int
	bytes    int64
	location string
	closes   bool
}

func dial(job Job) (*link, error) {
	socket, err := net.DialTimeout("tcp", job.Address, 10*time.Second)
	if err != nil {
		return nil, err
	}
	if job.TLS {
		// The certificate was made for this run; what is measured is the encryption.
		socket = tls.Client(socket, &tls.Config{InsecureSkipVerify: true})
	}
	return &link{socket: socket, reader: bufio.NewReaderSize(socket, 16<<10), waste: make([]byte, 1<<20)}, nil
}

// exchange writes a request, its body in parts, and reads the whole answer.
func (l *link) exchange(head []byte, body [][]byte) (answer, error) {
	l.socket.SetDeadline(time.Now().Add(120 * time.Second))
	if _, err := l.socket.Write(head); err != nil {
		return answer{}, err
	}
	for _, part := range body {
		if _, err := l.socket.Write(part); err != nil {
			return answer{}, err
		}
	}
	return l.receive(bytes.HasPrefix(head, []byte("HEAD ")))
}

func (l *link) receive(headOnly bool) (answer, error) {
	line, err := l.line()
	if err != nil {
		return answer{}, err
	}
	if len(line) < 12 {
		return answer{}, errors.New("no status line")
	}
	var got answer
	if got.status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return got, err
	}
	length, chunked := int64(-1), false
	for {
		line, err = l.line()
		if err != nil {
			return got, err
		}
		if len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch {
		case len(name) == 14 && strings.EqualFold(string(name), "content-length"):
			length, _ = strconv.ParseInt(string(value), 10, 64)
		case len(name) == 17 && strings.EqualFold(string(name), "transfer-encoding"):
			chunked = true
		case len(name) == 8 && strings.EqualFold(string(name), "location"):
			got.location = string(value)
		case len(name) == 10 && strings.EqualFold(string(name), "connection"):
			got.closes = strings.EqualFold(string(value), "close")
		}
	}
	if headOnly || got.status == 204 {
		return got, nil
	}
	if chunked {
		err = l.chunks(&got)
		return got, err
	}
	if length < 0 {
		return got, errors.New("an answer without a length")
	}
	got.bytes = length
	return got, l.discard(length)
}

func (l *link) chunks(got *answer) error {
	for {
		line, err := l.line()
		if err != nil {
			return err
		}
		size, err := strconv.ParseInt(string(line), 16, 64)
		if err != nil {
			return err
		}
		if err = l.discard(size + 2); err != nil || size == 0 {
			return err
		}
		got.bytes += size
	}
}

// discard reads bytes away, straight from the socket once the buffer is empty.
func (l *link) discard(count int64) error {
	for count > 0 {
		waste := l.waste[:min(count, int64(len(l.waste)))]
		n, err := 0, error(nil)
		if plain, ok := l.socket.(*net.TCPConn); ok && l.reader.Buffered() == 0 {
			n, err = drop(plain, waste)
		} else if l.reader.Buffered() > 0 {
			n, err = l.reader.Read(waste)
		} else {
			n, err = l.socket.Read(waste)
		}
		if err != nil {
			return err
		}
		count -= int64(n)
	}
	return nil
}

// drop lets the kernel throw away what has arrived instead of copying it (MSG_TRUNC, tcp(7)): clients are other machines, and
// one that copies all it gets is what would be measured here.
func drop(socket *net.TCPConn, waste []byte) (n int, err error) {
	raw, err := socket.SyscallConn()
	if err != nil {
		return 0, err
	}
	waiting := raw.Read(func(fd uintptr) bool {
		n, _, err = syscall.Recvfrom(int(fd), waste, syscall.MSG_TRUNC)
		return err != syscall.EAGAIN
	})
	if err == nil && waiting == nil && n == 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, errors.Join(err, waiting)
}

func (l *link) line() ([]byte, error) {
	line, err := l.reader.ReadSlice('\n')
	if err != nil {
		return nil, err
	}
	return bytes.TrimRight(line, "\r\n"), nil
}
