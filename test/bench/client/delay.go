// A line that takes its time: what comes in goes on after a delay, in both directions, in order and whole.
package main

import (
	"flag"
	"io"
	"log"
	"net"
	"time"
)

// More than any link of the bench has under way at once; past it, who sends waits.
const (
	pieces     = 256
	pieceBytes = 16 << 10
)

type piece struct {
	bytes []byte
	due   time.Time
}

func main() {
	listen := flag.String("listen", "", "address to listen on")
	to := flag.String("to", "", "address of the server behind the line")
	delay := flag.Duration("delay", 25*time.Millisecond, "how long bytes take, one way")
	flag.Parse()
	server, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	for {
		socket, err := server.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go serve(socket.(*net.TCPConn), *to, *delay)
	}
}

func serve(near *net.TCPConn, to string, delay time.Duration) {
	// The kernel answers for us at once; over the line a handshake takes a round trip.
	opened := time.Now().Add(2 * delay)
	dialled, err := net.Dial("tcp", to)
	if err != nil {
		near.Close()
		return
	}
	far := dialled.(*net.TCPConn)
	done := make(chan struct{}, 2)
	go carry(far, near, delay, opened, done)
	go carry(near, far, delay, opened, done)
	<-done
	<-done
	near.Close()
	far.Close()
}

func carry(to, from *net.TCPConn, delay time.Duration, opened time.Time, done chan<- struct{}) {
	line := make(chan piece, pieces)
	go func() {
		defer close(line)
		for {
			bytes := make([]byte, pieceBytes)
			n, err := from.Read(bytes)
			if n > 0 {
				now := time.Now()
				if now.Before(opened) {
					now = opened
				}
				line <- piece{bytes[:n], now.Add(delay)}
			}
			if err != nil {
				if err != io.EOF {
					to.Close()
				}
				return
			}
		}
	}()
	for next := range line {
		time.Sleep(time.Until(next.due))
		if _, err := to.Write(next.bytes); err != nil {
			from.Close()
			for range line {
			}
			break
		}
	}
	to.CloseWrite()
	done <- struct{}{}
}
