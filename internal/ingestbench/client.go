package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// client is one connection that posts one request after the other. It speaks just
// the HTTP/1.1 that the servers answer with: net/http's client would use more of
// the machine than the servers do.
type client struct {
	conn net.Conn
	in   *bufio.Reader
	out  []byte
}

// answerLimit bounds the wait for an answer.
const answerLimit = 30 * time.Second

func dial(addr string) (*client, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	return &client{conn: conn, in: bufio.NewReader(conn)}, nil
}

// post posts the next request and wants 200.
func (c *client) post(r *requests) error {
	c.out = r.appendNext(c.out[:0])
	if _, err := c.conn.Write(c.out); err != nil {
		return fmt.Errorf("posting: %w", err)
	}
	return c.answer()
}

func (c *client) answer() error {
	status, err := c.line()
	if err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	ok := bytes.HasPrefix(status, []byte("HTTP/1.1 200 "))
	first := string(status)
	length := -1
	for {
		line, err := c.line()
		if err != nil {
			return fmt.Errorf("reading the answer's headers: %w", err)
		}
		if len(line) == 0 {
			break
		}
		if value, found := bytes.CutPrefix(line, []byte("Content-Length: ")); found {
			if length, err = strconv.Atoi(string(value)); err != nil {
				return fmt.Errorf("reading the answer: %w", err)
			}
		}
	}
	if length < 0 {
		return errors.New("the answer has no Content-Length")
	}
	if !ok {
		body, _ := io.ReadAll(io.LimitReader(c.in, int64(length)))
		return fmt.Errorf("the answer is %s: %s", first, body)
	}
	_, err = c.in.Discard(length)
	return err
}

func (c *client) line() ([]byte, error) {
	line, err := c.in.ReadSlice('\n')
	return bytes.TrimRight(line, "\r\n"), err
}

// clients are the connections of a load to one server.
type clients []*client

func dialAll(addr string, n int) (clients, error) {
	var all clients
	for range n {
		c, err := dial(addr)
		if err != nil {
			all.close()
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}

func (all clients) close() {
	for _, c := range all {
		c.conn.Close()
	}
}

// until sets the time at which an answer that has not come is an error.
func (all clients) until(t time.Time) error {
	for _, c := range all {
		if err := c.conn.SetDeadline(t); err != nil {
			return err
		}
	}
	return nil
}
