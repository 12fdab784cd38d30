package mailbox

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// nameServer is a DNS server that knows a few domains.
type nameServer struct {
	conn net.PacketConn
	// exchangers are the mail exchangers of a domain, in order of preference. A
	// domain that is not here does not exist.
	exchangers map[string][]string

	mu    sync.Mutex
	asked map[string]int
	mute  bool // it takes questions and says nothing
	fails map[string]bool
}

// startNameServer serves until the test ends.
func startNameServer(t testing.TB, exchangers map[string][]string) *nameServer {
	t.Helper()
	conn, err := new(net.ListenConfig).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &nameServer{conn: conn, exchangers: exchangers, asked: map[string]int{}, fails: map[string]bool{}}
	t.Cleanup(func() { _ = conn.Close() })
	go s.serve()
	return s
}

// resolver asks this server only.
func (s *nameServer) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", s.conn.LocalAddr().String())
	}}
}

func (s *nameServer) serve() {
	buf := make([]byte, 4096)
	for {
		n, from, err := s.conn.ReadFrom(buf)
		if err != nil {
			return
		}
		if answer := s.answer(buf[:n]); answer != nil {
			_, _ = s.conn.WriteTo(answer, from)
		}
	}
}

func (s *nameServer) answer(question []byte) []byte {
	var m dnsmessage.Message
	if err := m.Unpack(question); err != nil || len(m.Questions) != 1 {
		return nil
	}
	q := m.Questions[0]
	domain := strings.TrimSuffix(q.Name.String(), ".")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked[domain]++
	if s.mute {
		return nil
	}
	hosts, known := s.exchangers[domain]
	m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
	switch {
	case s.fails[domain]:
		m.RCode = dnsmessage.RCodeServerFailure
	case !known:
		m.RCode = dnsmessage.RCodeNameError
	case q.Type == dnsmessage.TypeMX:
		// Out of order: preference decides.
		for i := len(hosts) - 1; i >= 0; i-- {
			m.Answers = append(m.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Type: dnsmessage.TypeMX, Class: dnsmessage.ClassINET, TTL: 60},
				Body:   &dnsmessage.MXResource{Pref: uint16(10 * (i + 1)), MX: dnsmessage.MustNewName(hosts[i])},
			})
		}
	}
	packed, err := m.Pack()
	if err != nil {
		return nil
	}
	return packed
}

// set changes the server under its lock.
func (s *nameServer) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func (s *nameServer) questions(domain string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[domain]
}
