package delivery

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/posthorn/posthorn/internal/publicnet"
	"github.com/posthorn/posthorn/schemas"
)

// names is a resolver that the test answers for: it is told what each look-up
// of a name yields, one after the other; the last one holds.
type names struct {
	mu      sync.Mutex
	answers map[string][][]netip.Addr
}

// startNames makes every look-up of this process go to it.
func startNames(t *testing.T) *names {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &names{answers: map[string][][]netip.Addr{}}
	done := make(chan struct{})
	go func() { defer close(done); n.serve(conn) }()
	before := net.DefaultResolver
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
	t.Cleanup(func() {
		net.DefaultResolver = before
		conn.Close()
		<-done
	})
	return n
}

func (n *names) set(name string, lookups ...[]netip.Addr) {
	n.mu.Lock()
	n.answers[name+"."] = lookups
	n.mu.Unlock()
}

func (n *names) serve(conn net.PacketConn) {
	buf := make([]byte, 1500)
	for {
		size, from, err := conn.ReadFrom(buf)
		if err != nil {
			return
		}
		var m dnsmessage.Message
		if m.Unpack(buf[:size]) != nil || len(m.Questions) != 1 {
			continue
		}
		m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
		n.answer(&m)
		if b, err := m.Pack(); err == nil {
			_, _ = conn.WriteTo(b, from)
		}
	}
}

// answer answers one question. A look-up asks for A and for AAAA; what is told
// moves on with the A.
func (n *names) answer(m *dnsmessage.Message) {
	n.mu.Lock()
	defer n.mu.Unlock()
	q := m.Questions[0]
	lookups, known := n.answers[q.Name.String()]
	if !known {
		m.RCode = dnsmessage.RCodeNameError
		return
	}
	header := dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 0}
	for _, a := range lookups[0] {
		switch {
		case q.Type == dnsmessage.TypeA && a.Is4():
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: header, Body: &dnsmessage.AResource{A: a.As4()}})
		case q.Type == dnsmessage.TypeAAAA && a.Is6():
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: header, Body: &dnsmessage.AAAAResource{AAAA: a.As16()}})
		}
	}
	if q.Type == dnsmessage.TypeA && len(lookups) > 1 {
		n.answers[q.Name.String()] = lookups[1:]
	}
}

func addrs(list ...string) (out []netip.Addr) {
	for _, s := range list {
		out = append(out, netip.MustParseAddr(s))
	}
	return out
}

// A name that has a public address when it is looked at, and this machine's when
// it is called: what counts is the address that is dialled.
func TestDNSRebinding(t *testing.T) {
	resolver := startNames(t)
	s := newShop(t, nil)
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	resolver.set("rebind.example", addrs("93.184.215.14"), addrs("127.0.0.1"))
	looked, err := net.DefaultResolver.LookupNetIP(t.Context(), "ip4", "rebind.example")
	if err != nil || len(looked) != 1 || publicnet.Check(looked[0], false) != nil {
		t.Fatalf("looked at beforehand: %v, %v", looked, err)
	}
	b := newBench(t, nil, Endpoint{Name: "shop", URL: "https://rebind.example:" + port + "/hook", Secrets: []string{testSecret}})
	b.process(trigger(1, "shop"))
	b.commit()
	got := b.result(1, time.Now())
	if len(got) != 1 || got[0].Status != schemas.DeliveryStatusRetrying || !strings.Contains(got[0].Error, "127.0.0.1") || !strings.Contains(got[0].Error, "allow_private") {
		t.Errorf("%+v", got)
	}
	if s.calls() != 0 {
		t.Error("it was called")
	}
}

// Whatever form an address has, one that is not public is not dialled; one of a
// metadata service not even where private ones are allowed.
func TestAddressesThatAreNotCalled(t *testing.T) {
	resolver := startNames(t)
	for _, c := range []struct {
		address string
		never   bool
	}{
		{"127.0.0.1", false}, {"10.0.0.7", false}, {"172.16.3.4", false}, {"192.168.1.1", false}, {"100.64.0.1", false},
		{"169.254.1.1", false}, {"198.18.0.1", false}, {"::1", false}, {"fe80::1", false}, {"fd00::1", false}, {"::127.0.0.1", false},
		{"::ffff:127.0.0.1", false}, {"::ffff:10.0.0.7", false}, {"64:ff9b::7f00:1", false}, {"64:ff9b::a00:7", false}, {"2002:7f00:1::", false},
		{"0.0.0.0", true}, {"::", true}, {"169.254.169.254", true}, {"::ffff:169.254.169.254", true}, {"64:ff9b::a9fe:a9fe", true},
		{"2002:a9fe:a9fe::1", true}, {"fd00:ec2::254", true}, {"100.100.100.200", true}, {"168.63.129.16", true}, {"255.255.255.255", true},
	} {
		a := netip.MustParseAddr(c.address)
		resolver.set("trick.example", []netip.Addr{a})
		literal := a.String()
		if a.Is6() {
			literal = "[" + literal + "]"
		}
		for _, host := range []string{"trick.example", literal} {
			for _, private := range []bool{false, true} {
				if private && !c.never {
					continue
				}
				t.Run(fmt.Sprintf("%s as %s, private %v", c.address, host, private), func(t *testing.T) {
					b := newBench(t, nil, Endpoint{Name: "shop", URL: "https://" + host + ":1/", Secrets: []string{testSecret}, AllowPrivate: private})
					b.process(trigger(1, "shop"))
					b.commit()
					got := b.result(1, time.Now())
					if len(got) != 1 || got[0].Status != schemas.DeliveryStatusRetrying || !strings.Contains(got[0].Error, "address refused") {
						t.Errorf("%+v", got)
					}
				})
			}
		}
	}
}

// Numbers that some libraries take for addresses are names, which nobody has.
// A name that can't be found may be found later.
func TestNamesThatAreNotFoundAreRetried(t *testing.T) {
	startNames(t)
	for _, host := range []string{"nowhere.example", "2130706433", "0x7f000001", "127.1", "0177.0.0.1"} {
		b := newBench(t, nil, Endpoint{Name: "shop", URL: "https://" + host + "/", Secrets: []string{testSecret}, AllowPrivate: true})
		b.process(trigger(1, "shop"))
		b.commit()
		if got := b.result(1, time.Now()); len(got) != 1 || got[0].Status != schemas.DeliveryStatusRetrying || got[0].StatusCode != 0 || !strings.Contains(got[0].Error, "no such host") {
			t.Errorf("%s: %+v", host, got)
		}
	}
}
