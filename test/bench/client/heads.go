package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
	"time"
	"unsafe"
)

// heads sends requests whose answers have no body, over all connections from one loop: a runtime that parks and wakes a
// goroutine for each answer takes longer over it than the servers do, and all would look alike. As many connections as fit
// the loop, no TLS.
func heads(job Job, until time.Time, total *tally) {
	loop, err := openLoop(job)
	if err != nil {
		total.fail(err)
		return
	}
	defer func() {
		for _, lane := range loop.lanes {
			total.add(lane.count, 0, lane.latencies)
		}
		loop.close()
	}()
	for _, lane := range loop.lanes {
		if err := lane.ask(); err != nil {
			total.fail(err)
			return
		}
	}
	events := make([]syscall.EpollEvent, len(loop.lanes))
	for time.Now().Before(until) {
		// A tenth of a second, so that a server that answers nothing ends with the time and not with an error.
		ready, err := wait(loop.poll, events, 100)
		if err != nil {
			total.fail(err)
			return
		}
		for _, event := range ready {
			if err := loop.lanes[event.Fd].answered(); err != nil {
				total.fail(err)
				return
			}
		}
	}
}

// wait is epoll_wait(2) without word to Go's scheduler: there is no other goroutine to be run meanwhile, and being told so
// wakes a thread each time.
func wait(poll int, events []syscall.EpollEvent, millis int) ([]syscall.EpollEvent, error) {
	at := uintptr(unsafe.Pointer(&events[0]))
	n, _, err := syscall.RawSyscall6(syscall.SYS_EPOLL_WAIT, uintptr(poll), at, uintptr(len(events)), uintptr(millis), 0, 0)
	if err == syscall.EINTR {
		return nil, nil
	}
	if err != 0 {
		return nil, err
	}
	return events[:n], nil
}

type loop struct {
	poll    int
	lanes   map[int32]*lane
	sockets []net.Conn
}

// A lane is one connection with one request under way.
type lane struct {
	fd        int
	job       Job
	turn      int
	sent      time.Time
	got       []byte
	buffer    []byte
	count     int
	latencies []time.Duration
}

func openLoop(job Job) (*loop, error) {
	poll, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	opened := &loop{poll: poll, lanes: map[int32]*lane{}}
	for number := 0; number < job.Connections; number++ {
		socket, err := net.DialTimeout("tcp", job.Address, 10*time.Second)
		if err != nil {
			return nil, err
		}
		opened.sockets = append(opened.sockets, socket)
		raw, err := socket.(*net.TCPConn).SyscallConn()
		if err != nil {
			return nil, err
		}
		raw.Control(func(fd uintptr) {
			event := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(fd)}
			err = syscall.EpollCtl(poll, syscall.EPOLL_CTL_ADD, int(fd), &event)
			opened.lanes[int32(fd)] = &lane{fd: int(fd), job: job, turn: number, buffer: make([]byte, 16<<10)}
		})
		if err != nil {
			return nil, err
		}
	}
	return opened, nil
}

func (l *loop) close() {
	for _, socket := range l.sockets {
		socket.Close()
	}
	syscall.Close(l.poll)
}

func (l *lane) ask() error {
	request := []byte(l.job.Requests[l.turn%len(l.job.Requests)])
	l.turn++
	l.sent = time.Now()
	n, err := syscall.Write(l.fd, request)
	if err == nil && n < len(request) {
		err = errors.New("a request did not fit the socket")
	}
	return err
}

// answered reads what has arrived; where that is the whole answer it is judged, and the next request is sent.
func (l *lane) answered() error {
	n, err := syscall.Read(l.fd, l.buffer)
	if err == syscall.EAGAIN || err == syscall.EINTR {
		return nil
	}
	if err != nil {
		return err
	}
	if n == 0 {
		return errors.New("the server closed the connection")
	}
	head := l.buffer[:n]
	if len(l.got) > 0 {
		l.got = append(l.got, head...)
		head = l.got
	}
	if !bytes.HasSuffix(head, []byte("\r\n\r\n")) {
		l.got = append(l.got[:0], head...)
		return nil
	}
	if status, err := strconv.Atoi(string(head[9:12])); err != nil || status != l.job.Status {
		return fmt.Errorf("status %s, not %d", head[9:12], l.job.Status)
	}
	l.got = l.got[:0]
	l.count++
	l.latencies = append(l.latencies, time.Since(l.sent))
	return l.ask()
}
